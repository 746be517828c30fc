/** `postrider credential`: who may log in by SMTP; also keys for the HTTP API, which asks for none yet. Also with the server down. */

import { readFileSync } from 'node:fs';
import { type Command } from 'commander';
import { errorText } from '../lib/error-text.ts';
import { type DirectoryAdmin } from '../api/directory-contract.ts';
import { type CredentialView } from '../directory/administration.ts';
import { CommandFailure, type Context, UsageError } from './context.ts';
import {
  eitherOf,
  type LimitOptions,
  limitsOf,
  limitsText,
  listed,
  named,
  somethingOf,
  withDirectory,
  withLimits,
} from './directory-words.ts';

type Kind = 'smtp' | 'api';

interface CredentialOptions extends LimitOptions {
  readonly tenant?: string;
  readonly kind?: string;
  readonly sender?: readonly string[];
  readonly passwordFile?: string;
  readonly reset?: boolean;
  readonly disable?: boolean;
  readonly enable?: boolean;
}

const SENDER_DOC = 'may send as: ann@example.com, example.com, .example.com, *; several times';

function collected(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

export function addCredential(program: Command, context: Context): void {
  const credential = program.command('credential').description('who may log in: list, show, add, change, remove');
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
  credential
    .command('show')
    .description('one user')
    .argument('<user>')
    .action((user: string) => showCredential(context, user));
  withLimits(credential.command('add').description('make a user; its password is shown once').argument('[user]'))
    .option('--tenant <name>', 'whose mail it is')
    .option('--kind <kind>', 'smtp or api', 'smtp')
    .option('--sender <pattern>', SENDER_DOC, collected)
    .option('--password-file <file>', 'with one of your own, - for standard input; else a strong one is made up')
    .action((user: string | undefined, options: CredentialOptions) => makeCredential(context, user, options));
  withLimits(credential.command('change').description('other senders, limits or password').argument('<user>'))
    .option('--sender <pattern>', SENDER_DOC, collected)
    .option('--reset', 'make up a new password')
    .option('--password-file <file>', 'with a new password of your own, - for standard input')
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

function showCredential(context: Context, name: string): Promise<void> {
  return withDirectory(context, async (directory) => {
    const found = await credentialOf(directory, name);
    context.print(found, () =>
      [
        `user    ${found.user}${found.disabled ? ', disabled' : ''}`,
        `kind    ${found.kind}`,
        `tenant  ${found.tenant || 'none'}`,
        `senders ${found.senders.join(' ') || 'domains of its tenant'}`,
        `limits  ${limitsText(found.limits) || 'none'}\n`,
      ].join('\n'),
    );
  });
}

async function credentialOf(directory: DirectoryAdmin, name: string): Promise<CredentialView> {
  const { credentials } = await directory.credentials();
  return named(credentials, ({ user }) => user === name, `there is no user ${name}: postrider credential list`);
}

/** From a file, since a command line can be read by all users of a machine. */
function passwordIn(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new CommandFailure(`${file} cannot be read: ${errorText(error)}`);
  }
}

function makeCredential(context: Context, user: string | undefined, options: CredentialOptions): Promise<void> {
  const { tenant, kind = 'smtp', sender, passwordFile } = options;
  const password = passwordFile === undefined ? undefined : passwordIn(passwordFile);
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
  somethingOf(options, '--sender, --reset, --password-file, --disable, --enable or a limit (--help)');
  const { sender, reset, passwordFile, disable, enable } = options;
  const password = passwordFile === undefined ? undefined : passwordIn(passwordFile);
  const disabled = eitherOf(disable, enable, '--disable and --enable');
  return withDirectory(context, async (directory) => {
    const limits = limitsOf(options) && limitsOf(options, (await credentialOf(directory, user)).limits);
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
