/**
 * A private Postfix: Debian's binaries from the package cache, its own configuration, spool and port.
 *
 * It accepts mail for `domains` into Maildirs that a test can read, and relays the rest to `relayTo`, or refuses it.
 * The `master` process is run directly, not through `postfix start`, which would look for the system's files.
 */

import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';

import { type Arrived, readMaildir, waitForMaildir } from './arrived.ts';
import { libraryFolders, packageRoot } from './debs.ts';
import { type ForeignUsers, foreignUsers } from './foreign-users.ts';
import { freePort, removeFolder, startProcess, testFolder } from './processes.ts';
import { started } from './wait.ts';

export interface PostfixOptions {
  /** Domains whose mail is kept here; every local part exists. */
  readonly domains?: readonly string[];
  /** Where everything else goes. */
  readonly relayTo?: { readonly host: string; readonly port: number };
  /** Offers STARTTLS with this certificate. */
  readonly tls?: { readonly key: string; readonly certificate: string };
  /** Further lines of main.cf. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export interface Postfix {
  readonly port: number;
  /** Of `master`, which starts all others. */
  readonly pid: number;
  /** What has arrived for one recipient so far. */
  messages(recipient: string): Promise<readonly Arrived[]>;
  /** Waits until exactly so many have arrived for a recipient. */
  arrivals(recipient: string, count: number): Promise<readonly Arrived[]>;
  log(): Promise<string>;
  stop(): Promise<void>;
}

const QUEUES = 'active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace'.split(
  ' ',
);

export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const root = await packageRoot('postfix');
  const folder = await testFolder('postfix');
  const libraries = libraryFolders(root);
  const users = await foreignUsers(folder, { users: ['postfix', 'mailboxes'], groups: ['postdrop'], libraries });
  const port = await freePort();
  await layOut(folder, users);
  await writeFile(join(folder, 'etc', 'main.cf'), await mainConfig(options, { root, folder, users }));
  await writeFile(join(folder, 'etc', 'master.cf'), services(port));

  const argv = [join(root, 'usr/lib/postfix/sbin/master'), '-c', join(folder, 'etc'), '-d'] as const;
  const master = startProcess({ argv: [...argv], env: users.env });
  await started({ name: 'Postfix', running: master, ports: [port], folder, log: () => logOf(folder) });
  return {
    port,
    pid: master.pid,
    messages: (recipient) => readMaildir(join(folder, 'mail', 'all'), recipient),
    arrivals: (recipient, count) => waitForMaildir(join(folder, 'mail', 'all'), recipient, count),
    log: () => logOf(folder),
    stop: async () => {
      await master.stop();
      await removeFolder(folder);
    },
  };
}

function logOf(folder: string): Promise<string> {
  return readFile(join(folder, 'log'), 'utf8').catch(() => '');
}

async function layOut(folder: string, users: ForeignUsers): Promise<void> {
  for (const name of ['etc', 'spool', 'data', 'mail']) await mkdir(join(folder, name));
  for (const name of QUEUES) await mkdir(join(folder, 'spool', name));
  if (process.getuid?.() !== 0) return;
  const [postfix, mailboxes] = [users.id('postfix'), users.id('mailboxes')];
  for (const name of QUEUES) await chown(join(folder, 'spool', name), postfix, postfix);
  await chown(join(folder, 'data'), postfix, postfix);
  await chown(join(folder, 'mail'), mailboxes, mailboxes);
}

interface Place {
  readonly root: string;
  readonly folder: string;
  readonly users: ForeignUsers;
}

async function mainConfig(options: PostfixOptions, { root, folder, users }: Place): Promise<string> {
  const { relayTo, tls } = options;
  const parameters: Record<string, string> = {
    compatibility_level: '3.6',
    queue_directory: join(folder, 'spool'),
    data_directory: join(folder, 'data'),
    command_directory: join(root, 'usr/sbin'),
    daemon_directory: join(root, 'usr/lib/postfix/sbin'),
    shlib_directory: join(root, 'usr/lib/postfix'),
    meta_directory: join(root, 'usr/share/postfix'),
    import_environment: ['MAIL_CONFIG', 'TZ', ...Object.keys(users.env)].join(' '),
    mail_owner: 'postfix',
    setgid_group: 'postdrop',
    default_privs: 'nobody',
    maillog_file: join(folder, 'log'),
    maillog_file_prefixes: '/tmp',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    myhostname: 'postfix.test',
    mydestination: '',
    local_recipient_maps: '',
    alias_maps: '',
    alias_database: '',
    mynetworks: '127.0.0.0/8',
    smtpd_relay_restrictions: 'permit_mynetworks, reject',
    smtpd_peername_lookup: 'no',
    smtp_dns_support_level: 'disabled',
    smtp_tls_security_level: 'may',
    minimal_backoff_time: '1s',
    queue_run_delay: '1s',
    message_size_limit: '20000000',
    virtual_mailbox_limit: '0',
    virtual_mailbox_domains: (options.domains ?? []).join(' '),
    virtual_mailbox_base: join(folder, 'mail'),
    // One Maildir for all: `virtual` takes no parts of an address into a path.
    virtual_mailbox_maps: 'static:all/',
    virtual_uid_maps: `static:${users.id('mailboxes')}`,
    virtual_gid_maps: `static:${users.id('mailboxes')}`,
    virtual_minimum_uid: '1',
    relayhost: relayTo === undefined ? '' : `[${relayTo.host}]:${relayTo.port}`,
    ...(relayTo === undefined ? { default_transport: 'error:no way out' } : {}),
    ...(tls === undefined ? {} : await tlsParameters(folder, tls)),
    ...options.parameters,
  };
  return Object.entries(parameters)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('');
}

async function tlsParameters(folder: string, tls: { key: string; certificate: string }) {
  const path = join(folder, 'etc', 'tls.pem');
  await writeFile(path, `${tls.key}\n${tls.certificate}\n`);
  return { smtpd_tls_chain_files: path, smtpd_tls_security_level: 'may', smtpd_tls_loglevel: '1' };
}

/** Services whose sockets others than the mail system may reach; it looks for them in another folder. */
const PUBLIC = new Set(['cleanup', 'qmgr']);

/** The stock services, none of them in a chroot. */
function services(port: number): string {
  const unix = (name: string, wakeup: string, limit: string, program: string) =>
    `${name} unix ${PUBLIC.has(name) ? 'n' : '-'} - n ${wakeup} ${limit} ${program}\n`;
  return [
    `127.0.0.1:${port} inet n - n - - smtpd\n`,
    unix('cleanup', '-', '0', 'cleanup'),
    unix('qmgr', '1', '1', 'qmgr'),
    unix('tlsmgr', '1000?', '1', 'tlsmgr'),
    unix('rewrite', '-', '-', 'trivial-rewrite'),
    ...['bounce', 'defer', 'trace'].map((name) => unix(name, '-', '0', 'bounce')),
    ...['smtp', 'relay'].map((name) => unix(name, '-', '-', 'smtp')),
    ...['error', 'retry'].map((name) => unix(name, '-', '-', 'error')),
    ...['lmtp', 'discard'].map((name) => unix(name, '-', '-', name)),
    // The only one that turns into other users.
    'virtual unix - n n - - virtual\n',
    ...['anvil', 'scache', 'verify'].map((name) => unix(name, '-', '1', name)),
    'postlog unix-dgram n - n - 1 postlogd\n',
  ].join('');
}
