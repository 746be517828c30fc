/**
 * A private Dovecot 2.3: LMTP in, IMAP and POP3 out, Debian's binaries from the package cache.
 *
 * Every user of `domain` exists and has the password `secret`. Dovecot looks for its modules at a path fixed in
 * `libdovecot`; the server gets a copy of that library in which the path leads to the cache. `doveconf` is at a
 * fixed path too, so it is run first, and runs Dovecot.
 */

import { execFileSync } from 'node:child_process';
import { chown, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

import { libraryFolders, packageRoot } from './debs.ts';
import { freePort, removeFolder, startProcess, testFolder } from './processes.ts';
import { started } from './wait.ts';

export interface Dovecot {
  readonly lmtpPort: number;
  /** The same service on a Unix-domain socket. */
  readonly lmtpSocket: string;
  readonly imapPort: number;
  readonly pop3Port: number;
  log(): Promise<string>;
  stop(): Promise<void>;
}

export const DOVECOT_PASSWORD = 'secret';

const MODULES = '/usr/lib/dovecot/modules';
/** Owns the mailboxes when root runs the tests; nobody else has this number. */
const MAIL_ID = 64_110;

export interface DovecotOptions {
  /** Users with a mailbox; others are refused with 550. */
  readonly users: readonly string[];
}

export async function startDovecot({ users }: DovecotOptions): Promise<Dovecot> {
  const root = await packageRoot('dovecot');
  const folder = await testFolder('dv');
  const [lmtpPort, imapPort, pop3Port] = [await freePort(), await freePort(), await freePort()];
  for (const name of ['run', 'state', 'mail']) await mkdir(join(folder, name));
  if (process.getuid?.() === 0) await chown(join(folder, 'mail'), MAIL_ID, MAIL_ID);
  await writeFile(join(folder, 'users'), users.map((user) => `${user}:{PLAIN}${DOVECOT_PASSWORD}::::::\n`).join(''));
  const libraries = [await libraryFor(folder, root), ...libraryFolders(root), join(root, MODULES, 'old-stats')];
  const libraryPath = libraries.join(':');
  const config = join(folder, 'dovecot.conf');
  await writeFile(config, configuration({ root, folder, libraryPath, lmtpPort, imapPort, pop3Port }));

  const log = () => readFile(join(folder, 'log'), 'utf8').catch(() => '');
  const start = ['-e', join(root, 'usr/sbin/dovecot'), '-c', config, '-F'];
  const argv = [join(root, 'usr/bin/doveconf'), '-c', config, ...start] as const;
  const master = startProcess({ argv: [...argv], env: { LD_LIBRARY_PATH: libraryPath } });
  await started({ name: 'Dovecot', running: master, ports: [lmtpPort, imapPort, pop3Port], folder, log });
  return {
    lmtpPort,
    lmtpSocket: join(folder, 'run', 'lmtp'),
    imapPort,
    pop3Port,
    log,
    stop: async () => {
      await master.stop();
      await removeFolder(folder);
    },
  };
}

/** The folder with a copy of `libdovecot` that looks for its modules in `folder`. */
async function libraryFor(folder: string, root: string): Promise<string> {
  const original = await readFile(join(root, 'usr/lib/dovecot/libdovecot.so.0'));
  const at = original.indexOf(`${MODULES}\0`);
  const path = join(folder, 'modules');
  if (at === -1 || path.length > MODULES.length) throw new Error(`libdovecot cannot be told to look in ${path}`);
  original.fill(0, at, at + MODULES.length);
  original.write(path, at);
  await symlink(join(root, MODULES), path);
  await mkdir(join(folder, 'lib'));
  await writeFile(join(folder, 'lib', 'libdovecot.so.0'), original);
  return join(folder, 'lib');
}

interface Place {
  readonly root: string;
  readonly folder: string;
  readonly libraryPath: string;
  readonly lmtpPort: number;
  readonly imapPort: number;
  readonly pop3Port: number;
}

function configuration({ root, folder, libraryPath, lmtpPort, imapPort, pop3Port }: Place): string {
  const isRoot = process.getuid?.() === 0;
  const own = userInfo();
  // As root the users every Debian has; otherwise all is one user, as Dovecot's rootless installation describes.
  const internal = isRoot ? 'daemon' : own.username;
  const internalGroup = isRoot ? internal : execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
  const login = isRoot ? 'nobody' : own.username;
  const [uid, gid] = isRoot ? [MAIL_ID, MAIL_ID] : [own.uid, own.gid];
  const service = (name: string, listener: string, port: number) =>
    `service ${name} {\n  chroot =\n  inet_listener ${listener} {\n    port = ${port}\n  }\n  inet_listener ${listener}s {\n    port = 0\n  }\n}\n`;
  return `
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
instance_name = ${folder.slice(5)}
libexec_dir = ${root}/usr/lib/dovecot
login_plugin_dir = ${root}${MODULES}/login
mail_plugin_dir = ${root}${MODULES}
import_environment = TZ LD_LIBRARY_PATH=${libraryPath}
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = ${internal}
default_internal_group = ${internalGroup}
default_login_user = ${login}
first_valid_uid = 1
mail_uid = ${uid}
mail_gid = ${gid}
mail_location = maildir:${folder}/mail/%u
# Files keep the line ends that came by LMTP, so that what is read back can be compared octet by octet.
mail_save_crlf = yes
hostname = dovecot.test
postmaster_address = postmaster@dovecot.test
lmtp_rcpt_check_quota = no
passdb {
  driver = passwd-file
  args = username_format=%u ${folder}/users
}
userdb {
  driver = static
  args = uid=${uid} gid=${gid} home=${folder}/mail/%u
}
${service('imap-login', 'imap', imapPort)}
${service('pop3-login', 'pop3', pop3Port)}
service anvil {
  chroot =
}
service stats {
  chroot =
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    port = ${lmtpPort}
  }
}
`;
}
