/** `postrider tenant`, `credential`, `domain`, `key`: who sends through this server, and as whom. Also with the server down. */

import { type Command } from 'commander';
import { type DirectoryAdmin, type DomainView, type KeyShown } from '../api/directory-contract.ts';
import { SENDING_LIMITS } from '../directory/limits.ts';
import { type SendingLimits } from '../mail/identity.ts';
import { parseOctets } from '../lib/schema-units.ts';
import { CommandFailure, type Context, UsageError } from './context.ts';
import { table } from './table.ts';

type Kind = 'smtp' | 'api';
type State = 'published' | 'signing' | 'retired';

export function addDirectory(program: Command, context: Context): void {
  addTenants(program.command('tenant').description('whose mail it is: list, add, change, remove'), context);
  addCredentials(program.command('credential').description('who may log in: list, add, change, remove'), context);
  addDomains(
    program.command('domain').description('domains that mail is sent from: list, add, show, check, remove'),
    context,
  );
  addKeys(
    program.command('key').description('keys that sign mail: list, add, rotate, switch, change, remove'),
    context,
  );
}

/** The directory of the running server, or the file itself. */
async function withDirectory(context: Context, use: (directory: DirectoryAdmin) => Promise<void>): Promise<void> {
  await context.withQueue(({ admin }) => use(admin));
}

function listed(context: Context, titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = titles.map((title, i) => ({ title, of: (row: readonly string[]) => row[i] ?? '' }));
  return rows.length === 0 ? 'none\n' : table(context.terminal, columns, rows);
}

const LIMIT_OPTIONS = {
  messagesPerHour: '--messages-per-hour <n>',
  messagesPerDay: '--messages-per-day <n>',
  recipientsPerHour: '--recipients-per-hour <n>',
  recipientsPerDay: '--recipients-per-day <n>',
  recipientsPerMessage: '--recipients-per-message <n>',
  messageOctets: '--message-size <octets>',
} as const satisfies Record<(typeof SENDING_LIMITS)[number], string>;

interface LimitOptions extends Partial<Record<Exclude<(typeof SENDING_LIMITS)[number], 'messageOctets'>, string>> {
  readonly messageSize?: string;
}

function withLimits(command: Command): Command {
  for (const name of SENDING_LIMITS) command.option(LIMIT_OPTIONS[name], 'at most; without it no limit of its own');
  return command;
}

function limitsOf({ messageSize, ...counts }: LimitOptions): SendingLimits | undefined {
  const given = Object.entries({ ...counts, messageOctets: messageSize }).flatMap(([name, text]) =>
    text === undefined || !SENDING_LIMITS.some((limit) => limit === name) ? [] : [[name, limitOf(name, text)] as const],
  );
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function limitOf(name: string, text: string): number {
  const value = name === 'messageOctets' ? parseOctets(text) : undefined;
  const number = value?.ok === true ? value.value : Number(text);
  if (Number.isSafeInteger(number) && number >= 0 && text.trim() !== '') return number;
  throw new UsageError(`${name} ${text}: write a whole number${name === 'messageOctets' ? ', or one like 10MiB' : ''}`);
}

function limitsText(limits: SendingLimits): string {
  return Object.entries(limits)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function addTenants(tenant: Command, context: Context): void {
  tenant
    .command('list', { isDefault: true })
    .description('all tenants')
    .action(() =>
      withDirectory(context, async (directory) => {
        const { tenants } = await directory.tenants();
        const rows = tenants.map(({ name, suspended, limits }) => [
          name,
          suspended ? 'suspended' : '',
          limitsText(limits),
        ]);
        context.print(tenants, () => listed(context, ['TENANT', '', 'LIMITS'], rows));
      }),
    );
  withLimits(tenant.command('add').description('make a tenant').argument('<name>')).action(
    (name: string, options: LimitOptions) =>
      withDirectory(context, async (directory) => {
        const limits = limitsOf(options);
        const made = await directory.addTenant({ name, ...(limits && { limits }) });
        context.print(made, () => `tenant ${made.name}\n`);
      }),
  );
  withLimits(tenant.command('change').description('other limits; suspend or resume').argument('<name>'))
    .option('--suspend', 'its users may not log in')
    .option('--resume', 'they may again')
    .action((name: string, options: LimitOptions & { readonly suspend?: boolean; readonly resume?: boolean }) =>
      withDirectory(context, async (directory) => {
        const limits = limitsOf(options);
        const suspended = eitherOf(options.suspend, options.resume, '--suspend and --resume');
        const changed = await directory.changeTenant({
          name,
          ...(limits && { limits }),
          ...(suspended !== undefined && { suspended }),
        });
        context.print(changed, () => `tenant ${changed.name}${changed.suspended ? ', suspended' : ''}\n`);
      }),
    );
  tenant
    .command('remove')
    .description('with its domains, users and keys')
    .argument('<name>')
    .action((name: string) =>
      withDirectory(context, async (directory) => {
        const removed = await directory.removeTenant({ name });
        context.print(removed, () => `tenant ${removed.name} is gone, with its domains, users and keys\n`);
      }),
    );
}

interface CredentialOptions extends LimitOptions {
  readonly tenant?: string;
  readonly kind?: string;
  readonly sender?: readonly string[];
  readonly password?: string;
  readonly reset?: boolean;
  readonly disable?: boolean;
  readonly enable?: boolean;
}

const SENDER_DOC = 'may send as: ann@example.com, example.com, .example.com, *; several times';

function collected(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function addCredentials(credential: Command, context: Context): void {
  credential
    .command('list', { isDefault: true })
    .description('all users and API keys')
    .action(() =>
      withDirectory(context, async (directory) => {
        const { credentials } = await directory.credentials();
        const rows = credentials.map(({ user, kind, tenant, disabled, senders, limits }) => [
          ...[user, kind, tenant, disabled ? 'disabled' : ''],
          ...[senders.join(' ') || 'domains of its tenant', limitsText(limits)],
        ]);
        context.print(credentials, () => listed(context, ['USER', 'KIND', 'TENANT', '', 'SENDERS', 'LIMITS'], rows));
      }),
    );
  withLimits(credential.command('add').description('make a user; its password is shown once').argument('[user]'))
    .option('--tenant <name>', 'whose mail it is')
    .option('--kind <kind>', 'smtp or api', 'smtp')
    .option('--sender <pattern>', SENDER_DOC, collected)
    .option('--password <text>', 'one of your own; without it a strong one is made up')
    .action((user: string | undefined, options: CredentialOptions) => addCredential(context, user, options));
  withLimits(credential.command('change').description('other senders, limits or password').argument('<user>'))
    .option('--sender <pattern>', SENDER_DOC, collected)
    .option('--reset', 'make up a new password')
    .option('--password <text>', 'a new password of your own')
    .option('--disable', 'it may not log in')
    .option('--enable', 'it may again')
    .action((user: string, options: CredentialOptions) => changeCredential(context, user, options));
  credential
    .command('remove')
    .description('remove a user')
    .argument('<user>')
    .action((user: string) =>
      withDirectory(context, async (directory) => {
        const removed = await directory.removeCredential({ user });
        context.print(removed, () => `user ${removed.user} is gone\n`);
      }),
    );
}

function addCredential(context: Context, user: string | undefined, options: CredentialOptions): Promise<void> {
  const { tenant, kind = 'smtp', sender, password } = options;
  if (kind !== 'smtp' && kind !== 'api') throw new UsageError(`--kind ${kind}: write smtp or api`);
  const limits = limitsOf(options);
  return withDirectory(context, async (directory) => {
    const made = await directory.addCredential({
      kind: kind satisfies Kind,
      ...(user !== undefined && { user }),
      ...(tenant !== undefined && { tenant }),
      ...(sender !== undefined && { senders: sender }),
      ...(password !== undefined && { password }),
      ...(limits && { limits }),
    });
    context.print(made, () => secretText(made.credential.user, made.secret));
  });
}

function changeCredential(context: Context, user: string, options: CredentialOptions): Promise<void> {
  const { sender, reset, password, disable, enable } = options;
  const limits = limitsOf(options);
  const disabled = eitherOf(disable, enable, '--disable and --enable');
  return withDirectory(context, async (directory) => {
    const changed = await directory.changeCredential({
      user,
      ...(sender !== undefined && { senders: sender }),
      ...(reset === true && { reset }),
      ...(password !== undefined && { password }),
      ...(disabled !== undefined && { disabled }),
      ...(limits && { limits }),
    });
    context.print(changed, () => secretText(user, changed.secret));
  });
}

function secretText(user: string, secret: string | undefined): string {
  if (secret === undefined) return `user     ${user}\n`;
  return `user     ${user}\npassword ${secret}\n\nThis is the only time that the password is shown.\n`;
}

function eitherOf(on: boolean | undefined, off: boolean | undefined, names: string): boolean | undefined {
  if (on === true && off === true) throw new UsageError(`${names}: one of them`);
  if (on === true) return true;
  return off === true ? false : undefined;
}

function addDomains(domain: Command, context: Context): void {
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

function recordsText({ name, records }: DomainView): string {
  const lines = records.map(({ line, why, weight }) => `; ${weight === 'advised' ? 'advised: ' : ''}${why}\n${line}\n`);
  return `; records of ${name}\n\n${lines.join('\n')}`;
}

async function checkDomain(context: Context, name: string): Promise<void> {
  const { records } = await (await context.control()).checkDomain({ domain: name });
  context.print(records, () =>
    records
      .map(({ type, name: at, problem, weight }) => {
        if (problem === undefined) return `ok       ${type} ${at}\n`;
        return `${weight === 'needed' ? 'wrong   ' : 'advised '} ${type} ${at}\n         ${problem}\n`;
      })
      .join(''),
  );
  const wrong = records.filter(({ problem, weight }) => problem !== undefined && weight === 'needed').length;
  if (wrong > 0)
    throw new CommandFailure(`${wrong} of ${records.length} records need mending (postrider domain show ${name})`);
}

function addKeys(key: Command, context: Context): void {
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
  const lines = keys.map(({ name, record }) => `${name} TXT\n${record}\n`);
  return `Publish in DNS:\n\n${lines.join('\n')}\nOnce the records are seen the keys sign by themselves (or at once: postrider key switch).\n`;
}
