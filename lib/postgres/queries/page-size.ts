/** A page holds no more events than this, however many were asked for: what comes in one answer is in memory at once. */
export const MOST_EVENTS_READ = 2_048;

/** A read that finds little looks at no more events than this before it answers. */
export const MOST_EVENTS_LOOKED_AT = 65_536;
