/** Thrown to leave an event as it is, because its consumer has been stopped. */
export class Interrupted extends Error {}
