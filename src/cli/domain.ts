/** `postrider domain`: domains that mail is sent from, and their DNS records. Also with the server down, but for `check`. */

import { type Command } from 'commander';
import { type DomainView } from '../api/directory-contract.ts';
import { type CheckedRecord } from '../directory/domain-check.ts';
import { CommandFailure, type Context } from './context.ts';
import { listed, withDirectory } from './directory-words.ts';

export function addDomain(program: Command, context: Context): void {
  const domain = program
    .command('domain')
    .description('domains that mail is sent from: list, add, show, check, remove');
  domain
    .command('list', { isDefault: true })
    .description('all domains')
    .action(() =>
      withDirectory(context, async (directory) => {
        const { domains } = await directory.domains();
        context.print(domains, () =>
          listed(
            context,
            ['DOMAIN', 'TENANT'],
            domains.map(({ name, tenant }) => [name, tenant]),
          ),
        );
      }),
    );
  domain
    .command('add')
    .description('make a domain and its signing keys, and print what to publish in DNS')
    .argument('<domain>')
    .option('--tenant <name>', 'whose domain it is')
    .action((name: string, { tenant }: { readonly tenant?: string }) =>
      withDirectory(context, async (directory) => {
        const made = await directory.addDomain({ domain: name, ...(tenant !== undefined && { tenant }) });
        context.print(made, () => recordsText(made));
      }),
    );
  domain
    .command('show')
    .description('the DNS records of a domain, ready to paste')
    .argument('<domain>')
    .action((name: string) =>
      withDirectory(context, async (directory) => {
        const view = await directory.domain({ domain: name });
        context.print(view, () => recordsText(view));
      }),
    );
  domain
    .command('check')
    .description('look the DNS records of a domain up, and say what is wrong; needs a running server')
    .argument('<domain>')
    .action((name: string) => checkDomain(context, name));
  domain
    .command('remove')
    .description('with its keys')
    .argument('<domain>')
    .action((name: string) =>
      withDirectory(context, async (directory) => {
        const removed = await directory.removeDomain({ domain: name });
        context.print(removed, () => `domain ${removed.name} is gone, with its keys\n`);
      }),
    );
}

function recordsText({ name, records, notes }: DomainView): string {
  const lines = records.map(({ line, why, weight }) => `; ${weight === 'advised' ? 'advised: ' : ''}${why}\n${line}\n`);
  const noted = notes.map((note) => `; note: ${note}\n`);
  return `; records of ${name}\n\n${lines.join('\n')}${noted.length === 0 ? '' : `\n${noted.join('')}`}`;
}

async function checkDomain(context: Context, name: string): Promise<void> {
  const { records } = await (await context.control()).checkDomain({ domain: name });
  context.print(records, () => records.map(checkedText).join(''));
  const needed = records.filter(({ weight }) => weight === 'needed');
  const wrong = needed.filter(({ state }) => state === 'wrong').length;
  if (wrong > 0)
    throw new CommandFailure(`${wrong} of ${records.length} records need mending (postrider domain show ${name})`);
  const unanswered = needed.filter(({ state }) => state === 'noAnswer').length;
  if (unanswered > 0)
    throw new CommandFailure(`${unanswered} of ${records.length} records could not be looked up: try again later`);
}

const LABEL_WIDTH = 'not checked'.length + 1;

function checkedText(record: CheckedRecord): string {
  const { type, name, problem } = record;
  const line = `${labelOf(record).padEnd(LABEL_WIDTH)}${type} ${name}\n`;
  return problem === undefined ? line : `${line}${' '.repeat(LABEL_WIDTH)}${problem}\n`;
}

function labelOf({ state, weight }: CheckedRecord): string {
  switch (state) {
    case 'right':
      return 'ok';
    case 'wrong':
      return weight === 'needed' ? 'wrong' : 'advised';
    case 'noAnswer':
    case 'notChecked':
      return 'not checked';
  }
}
