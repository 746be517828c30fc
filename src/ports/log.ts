/**
 * The operator's log: problems and milestones, never the story of a message (that is the event log).
 *
 * `error`: a person must act. `warn`: a person should know. `info`: start, stop, reload.
 */

export interface Log {
  error(text: string, facts?: LogFacts): void;
  warn(text: string, facts?: LogFacts): void;
  info(text: string, facts?: LogFacts): void;
}

export type LogFacts = Readonly<Record<string, string | number | boolean | undefined>>;
