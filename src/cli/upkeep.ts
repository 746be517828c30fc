/** Care of the spool: `compact`, `backup`, `check`. */

import { resolve } from 'node:path';
import { type Command } from 'commander';
import { CommandFailure, type Context } from './context.ts';
import { many, size } from './words.ts';

/** Writes the store of a stopped server anew, without its free pages. */
export type Compact = (spoolFolder: string) => Promise<{ readonly octetsBefore: number; readonly octetsAfter: number }>;

export function addUpkeep(program: Command, context: Context, compact: Compact): void {
  program
    .command('compact')
    .description('write the spool anew without its free pages; the server has to be stopped')
    .action(async () => {
      const report = await compact(await context.spoolFolder());
      context.print(report, () => `${size(report.octetsBefore)} before, ${size(report.octetsAfter)} now\n`);
    });
  program
    .command('backup')
    .description(
      'copy the spool into a new folder, with the directory and the certificate of ACME, while the server runs or not',
    )
    .argument('<folder>', 'a folder that does not exist yet')
    .action((folder: string) =>
      context.withQueue(async ({ admin }) => {
        const target = resolve(context.terminal.cwd, folder);
        const copied = await admin.backup({ folder: target });
        context.print(
          { folder: target, ...copied },
          () => `${many(copied.messages, 'message')}, ${many(copied.files, 'content file')} copied to ${target}
`,
        );
      }),
    );
  program
    .command('check')
    .description(
      'look for what does not belong together in the spool of a stopped server, or in a backup; changes nothing',
    )
    .action(() =>
      context.withQueue(async ({ admin }) => {
        const checked = await admin.check();
        const { messages, entries, problems } = checked;
        context.print(
          checked,
          () =>
            `${many(messages, 'message')}, ${many(entries, 'entry', 'entries')}, ${many(problems.length, 'problem')}\n`,
        );
        if (problems.length > 0) throw new CommandFailure(problems.join('\n'));
      }),
    );
}
