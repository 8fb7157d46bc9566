/** A page holds no more events than this, however many were asked for: what comes in one answer is in memory at once. */
export const MOST_EVENTS_READ = 1_024;

/** A read that finds little looks at no more events than this before it answers. */
export const MOST_EVENTS_LOOKED_AT = 65_536;

/** The same for a time range, where looking at each event is a jump in the table, unless they came in order. */
export const MOST_TIMES_LOOKED_AT = 8_192;
