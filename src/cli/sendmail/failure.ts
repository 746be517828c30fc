/** How `sendmail` ends: the exit codes of sysexits.h, which programs that call it know. */

export const SENDMAIL_EXIT = {
  ok: 0,
  /** EX_USAGE: the command line was wrong. */
  usage: 64,
  /** EX_DATAERR: an address, or the message, is none. */
  data: 65,
  /** EX_NOINPUT: standard input cannot be read. */
  noInput: 66,
  /** EX_UNAVAILABLE: nobody takes mail here, or not this message. */
  unavailable: 69,
  /** EX_SOFTWARE: a bug. */
  software: 70,
  /** EX_IOERR. */
  io: 74,
  /** EX_TEMPFAIL: the same may work later. */
  temporary: 75,
  /** EX_NOPERM: this user may not. */
  permission: 77,
  /** EX_CONFIG. */
  configuration: 78,
} as const;

export type SendmailExit = keyof typeof SENDMAIL_EXIT;

/** It could not be done; the text says why. */
export class SendmailFailure extends Error {
  readonly exit: SendmailExit;
  constructor(exit: SendmailExit, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exit = exit;
  }
}

const BY_CODE: Readonly<Record<string, SendmailExit>> = {
  ENOENT: 'unavailable',
  ENOTDIR: 'unavailable',
  EACCES: 'permission',
  EPERM: 'permission',
  EROFS: 'temporary',
  ENOSPC: 'temporary',
  EDQUOT: 'temporary',
  EMFILE: 'temporary',
  ENFILE: 'temporary',
  ENOMEM: 'temporary',
  EFBIG: 'unavailable',
};

/** What a failed system call means to the caller; a bug stays what it is. `hints`: what to do, by the system's code. */
export function failureOf(error: unknown, doing: string, hints: Readonly<Record<string, string>> = {}): unknown {
  if (error instanceof SendmailFailure || !(error instanceof Error) || !('code' in error)) return error;
  const exit = BY_CODE[String(error.code)] ?? 'io';
  const hint = hints[String(error.code)];
  const text = `${doing}: ${error.message}${hint === undefined ? '' : `; ${hint}`}`;
  return new SendmailFailure(exit, text, { cause: error });
}
