/** `postrider tenant`: whose mail it is. Also with the server down. */

import { type Command } from 'commander';
import { type DirectoryAdmin } from '../api/directory-contract.ts';
import { type TenantRecord } from '../directory/directory.ts';
import { type Context } from './context.ts';
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

interface ChangeOptions extends LimitOptions {
  readonly suspend?: boolean;
  readonly resume?: boolean;
}

export function addTenant(program: Command, context: Context): void {
  const tenant = program.command('tenant').description('whose mail it is: list, show, add, change, remove');
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
  tenant
    .command('show')
    .description('one tenant, with its domains and users')
    .argument('<name>')
    .action((name: string) => showTenant(context, name));
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
    .action((name: string, options: ChangeOptions) => changeTenant(context, name, options));
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

function showTenant(context: Context, name: string): Promise<void> {
  return withDirectory(context, async (directory) => {
    const tenant = await tenantOf(directory, name);
    const domains = (await directory.domains()).domains.filter((each) => each.tenant === name);
    const users = (await directory.credentials()).credentials.filter((each) => each.tenant === name);
    context.print({ ...tenant, domains, credentials: users }, () =>
      [
        `tenant  ${name}${tenant.suspended ? ', suspended' : ''}`,
        `limits  ${limitsText(tenant.limits) || 'none'}`,
        `domains ${domains.map((domain) => domain.name).join(' ') || 'none'}`,
        `users   ${users.map(({ user }) => user).join(' ') || 'none'}\n`,
      ].join('\n'),
    );
  });
}

function changeTenant(context: Context, name: string, options: ChangeOptions): Promise<void> {
  somethingOf(options, '--suspend, --resume or a limit (--help)');
  const suspended = eitherOf(options.suspend, options.resume, '--suspend and --resume');
  return withDirectory(context, async (directory) => {
    const limits = limitsOf(options) && limitsOf(options, (await tenantOf(directory, name)).limits);
    const changed = await directory.changeTenant({
      name,
      ...(limits && { limits }),
      ...(suspended !== undefined && { suspended }),
    });
    context.print(changed, () => `tenant ${changed.name}${changed.suspended ? ', suspended' : ''}\n`);
  });
}

async function tenantOf(directory: DirectoryAdmin, name: string): Promise<TenantRecord> {
  const { tenants } = await directory.tenants();
  return named(tenants, (each) => each.name === name, `there is no tenant ${name}: postrider tenant add ${name}`);
}
