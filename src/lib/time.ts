/** Time as numbers. Nothing here reads a clock: the time is always an argument. */

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number;

/** Milliseconds. */
export type Duration = number;

export const SECOND: Duration = 1000;
export const MINUTE: Duration = 60 * SECOND;
export const HOUR: Duration = 60 * MINUTE;
export const DAY: Duration = 24 * HOUR;
