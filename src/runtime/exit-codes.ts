/** Exit codes of the program. Those above 63 are the meanings of sysexits. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** EX_UNAVAILABLE: no server is running. */
  notRunning: 69,
  /** EX_IOERR: the spool can no longer be trusted. */
  storage: 74,
  /** EX_CONFIG. */
  configuration: 78,
} as const;
