/**
 * A private Exim: Debian's binary from the package cache, its own configuration, spool and port.
 *
 * It accepts mail for `domains` into Maildirs that a test can read, and relays the rest to `relayTo`, or refuses it.
 * Debian's Exim looks up its user `Debian-exim` before anything else and ignores foreign configurations unless root
 * starts it and it need not become root again: `foreignUsers` gives it the user, `deliver_drop_privilege` the rest.
 */

import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';

import { type Arrived, readMaildir, waitForMaildir } from './arrived.ts';
import { libraryFolders, packageRoot } from './debs.ts';
import { foreignUsers } from './foreign-users.ts';
import { freePort, removeFolder, startProcess, testFolder } from './processes.ts';
import { started } from './wait.ts';

export interface EximOptions {
  /** Domains whose mail is kept here; every local part exists. */
  readonly domains?: readonly string[];
  /** Where everything else goes. */
  readonly relayTo?: { readonly host: string; readonly port: number };
  /** Offers STARTTLS with this certificate. */
  readonly tls?: { readonly key: string; readonly certificate: string };
}

export interface Exim {
  readonly port: number;
  /** What has arrived for one recipient so far. */
  messages(recipient: string): Promise<readonly Arrived[]>;
  /** Waits until exactly so many have arrived for a recipient. */
  arrivals(recipient: string, count: number): Promise<readonly Arrived[]>;
  log(): Promise<string>;
  stop(): Promise<void>;
}

export async function startExim(options: EximOptions): Promise<Exim> {
  const root = await packageRoot('exim');
  const folder = await testFolder('exim');
  const users = await foreignUsers(folder, {
    users: ['Debian-exim'],
    libraries: libraryFolders(root),
    // It takes a configuration of ours only from root, or when it knows that it is not.
    pretendRoot: false,
  });
  const port = await freePort();
  const config = join(folder, 'exim.conf');
  const owner = users.id('Debian-exim');
  for (const name of ['spool', 'log', 'mail']) {
    await mkdir(join(folder, name));
    if (process.getuid?.() === 0) await chown(join(folder, name), owner, owner);
  }
  const binary = join(root, 'usr/sbin/exim4');
  if (options.tls !== undefined)
    await writeFile(join(folder, 'tls.pem'), `${options.tls.key}\n${options.tls.certificate}\n`);
  await writeFile(config, configuration(options, folder, binary, port));

  const log = () => readFile(join(folder, 'log', 'mainlog'), 'utf8').catch(() => '');
  const daemon = startProcess({ argv: [binary, '-C', config, '-bdf', '-q1s'], env: users.env });
  await started({ name: 'Exim', running: daemon, ports: [port], folder, log });
  return {
    port,
    messages: (recipient) => readMaildir(join(folder, 'mail'), recipient),
    arrivals: (recipient, count) => waitForMaildir(join(folder, 'mail'), recipient, count),
    log,
    stop: async () => {
      await daemon.stop();
      await removeFolder(folder);
    },
  };
}

function configuration(options: EximOptions, folder: string, binary: string, port: number): string {
  const { domains = [], relayTo, tls } = options;
  const local = domains.length === 0 ? ':' : domains.join(' : ');
  return `
keep_environment = ^(LD_.*|NSS_WRAPPER_.*|UID_WRAPPER.*)$
exim_path = ${binary}
exim_user = Debian-exim
exim_group = Debian-exim
deliver_drop_privilege
spool_directory = ${folder}/spool
log_file_path = ${folder}/log/%slog
pid_file_path = ${folder}/exim.pid
primary_hostname = exim.test
daemon_smtp_ports = ${port}
local_interfaces = <; 127.0.0.1
disable_ipv6
host_lookup =
rfc1413_query_timeout = 0s
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
accept_8bitmime
message_size_limit = 20M
${tls === undefined ? 'tls_advertise_hosts =' : `tls_advertise_hosts = *\ntls_certificate = ${folder}/tls.pem`}
acl_smtp_mail = accept
acl_smtp_rcpt = ${relayTo === undefined ? 'local_only' : 'accept'}
acl_smtp_data = accept
log_selector = +smtp_protocol_error +received_recipients +8bitmime
begin acl
local_only:
  accept domains = ${local}
  deny message = relay not permitted
begin routers
local:
  driver = accept
  domains = ${local}
  transport = box
${relayTo === undefined ? '' : relay(relayTo)}
begin transports
box:
  driver = appendfile
  directory = ${folder}/mail
  maildir_format
  return_path_add
  envelope_to_add
  user = Debian-exim
${relayTo === undefined ? '' : `out:\n  driver = smtp\n  port = ${relayTo.port}\n  allow_localhost\n`}
begin retry
* * F,1h,1s
`;
}

function relay({ host }: { readonly host: string }): string {
  return `relay:
  driver = manualroute
  route_list = * ${host} byname
  transport = out
  self = send
`;
}
