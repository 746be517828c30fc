/**
 * Whether a command line is that of `sendmail`: its options are of another age than those of all other commands, and
 * are read by other means.
 */

import { SENDMAIL_NAMES, type SendmailName } from '../../wire/sendmail/options.ts';

export interface SendmailWords {
  readonly name: SendmailName;
  /** What follows the name. */
  readonly words: readonly string[];
  readonly config: string | undefined;
  readonly spool: string | undefined;
}

const GLOBAL = /^--(config|spool)(?:=([\s\S]*))?$/;

/** Undefined: another command. Global options may stand before the name. */
export function sendmailWords(words: readonly string[]): SendmailWords | undefined {
  const options: { config?: string; spool?: string } = {};
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const name = SENDMAIL_NAMES.find((each) => each === word);
    if (name !== undefined) return { name, words: words.slice(at + 1), config: options.config, spool: options.spool };
    const [, option, value] = GLOBAL.exec(word) ?? [];
    if (option !== 'config' && option !== 'spool') return undefined;
    options[option] = value ?? words[(at += 1)] ?? '';
  }
  return undefined;
}
