/** `sendmail`, `mailq` and `newaliases` in the list of commands. Their options are read elsewhere: see `words.ts`. */

import { type Command } from 'commander';
import { UsageError } from '../context.ts';

const COMMANDS = {
  sendmail: 'hand in a message as other programs do, also while the server is stopped; see `postrider sendmail --help`',
  mailq: 'what waits, in the form that tools know; the same as `sendmail -bp`',
  newaliases: 'nothing, successfully: aliases are part of the configuration',
} as const;

export function addSendmail(program: Command): void {
  for (const [name, description] of Object.entries(COMMANDS))
    program
      .command(name)
      .description(description)
      .argument('[words...]', 'options and recipients')
      .helpOption(false)
      .allowUnknownOption()
      .action(() => {
        throw new UsageError(`write it first: postrider [--config <file>] [--spool <folder>] ${name} …`);
      });
}
