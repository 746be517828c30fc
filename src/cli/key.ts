/** `postrider key`: the keys that sign mail. Also with the server down. */

import { type Command } from 'commander';
import { type DirectoryAdmin, type KeyShown } from '../api/directory-contract.ts';
import { zoneLine } from '../directory/domain-records.ts';
import { type Context, UsageError } from './context.ts';
import { listed, withDirectory } from './directory-words.ts';

type State = 'published' | 'signing' | 'retired';

export function addKey(program: Command, context: Context): void {
  const key = program.command('key').description('keys that sign mail: list, add, rotate, switch, change, remove');
  key
    .command('list', { isDefault: true })
    .description('keys of a domain, or all')
    .argument('[domain]')
    .action((domain: string | undefined) =>
      withDirectory(context, async (directory) => {
        const { keys } = await directory.keys(domain === undefined ? {} : { domain });
        context.print(keys, () => keysText(context, keys));
      }),
    );
  key
    .command('add')
    .description('make a key that signs nothing yet, and print its record')
    .argument('<domain>')
    .option('--algorithm <name>', 'rsa-sha256 or ed25519-sha256', 'rsa-sha256')
    .option('--selector <name>', 'its selector; without it one is made up')
    .action((domain: string, { algorithm, selector }: { readonly algorithm: string; readonly selector?: string }) => {
      if (algorithm !== 'rsa-sha256' && algorithm !== 'ed25519-sha256')
        throw new UsageError(`--algorithm ${algorithm}: write rsa-sha256 or ed25519-sha256`);
      return withDirectory(context, async (directory) => {
        const made = await directory.addKey({ domain, algorithm, ...(selector !== undefined && { selector }) });
        context.print(made, () => publishText([made]));
      });
    });
  addKeyMoves(key, context);
}

function addKeyMoves(key: Command, context: Context): void {
  key
    .command('rotate')
    .description(
      'make successors of the keys that sign; once their records are seen in DNS they take over by themselves',
    )
    .argument('<domain>')
    .action((domain: string) =>
      withDirectory(context, async (directory) => {
        const { keys } = await directory.rotateKeys({ domain });
        context.print(keys, () => publishText(keys));
      }),
    );
  key
    .command('switch')
    .description('let the published keys sign now, and retire the others')
    .argument('<domain>')
    .action((domain: string) =>
      withDirectory(context, async (directory) => {
        const { keys } = await directory.switchKeys({ domain });
        context.print(keys, () => keysText(context, keys));
      }),
    );
  key
    .command('change')
    .description('set the state of one key by hand')
    .argument('<domain>')
    .argument('<selector>')
    .requiredOption('--state <state>', 'published, signing or retired')
    .action((domain: string, selector: string, { state }: { readonly state: string }) => {
      if (!isState(state)) throw new UsageError(`--state ${state}: write published, signing or retired`);
      return withDirectory(context, async (directory) => {
        const changed = await directory.changeKey({ domain, selector, state });
        context.print(changed, () => keysText(context, [changed]));
        if (state !== 'signing') await warnOfSilence(context, directory, changed.domain);
      });
    });
  key
    .command('remove')
    .description('remove a key that does not sign')
    .argument('<domain>')
    .argument('<selector>')
    .action((domain: string, selector: string) =>
      withDirectory(context, async (directory) => {
        const removed = await directory.removeKey({ domain, selector });
        context.print(
          removed,
          () => `key ${removed.selector} of ${removed.domain} is gone; its record may leave DNS\n`,
        );
      }),
    );
}

/** A domain that had a key and has none that signs. */
async function warnOfSilence(context: Context, directory: DirectoryAdmin, domain: string): Promise<void> {
  const { keys } = await directory.keys({ domain });
  if (keys.some(({ state }) => state === 'signing')) return;
  context.warn(`nothing signs the mail of ${domain} now: postrider key change --state signing, or key rotate`);
}

function isState(text: string): text is State {
  return text === 'published' || text === 'signing' || text === 'retired';
}

function keysText(context: Context, keys: readonly KeyShown[]): string {
  const rows = keys.map(({ domain, selector, algorithm, state, since }) => [
    ...[domain, selector, algorithm, state],
    new Date(since).toISOString().slice(0, 10),
  ]);
  return listed(context, ['DOMAIN', 'SELECTOR', 'ALGORITHM', 'STATE', 'SINCE'], rows);
}

function publishText(keys: readonly KeyShown[]): string {
  const lines = keys.map(({ name, record }) => `${zoneLine({ name, type: 'TXT', value: record })}\n`);
  return `Publish in DNS:\n\n${lines.join('\n')}\nOnce the records are seen the keys sign by themselves (or at once: postrider key switch).\n`;
}
