/**
 * Debian's OpenSMTPD, unpacked. Its paths are compiled in, so it sees its own folder there, by mounts that nobody else
 * sees. Its listen backlog of five is compiled in too, and would be all that is measured: `listen` is wrapped.
 *
 * It has no way to drop a message that it has written: where mail is to be dropped, its deliveries are paused.
 */

import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { libraryFolders, packageRoot } from '../../test/lib/debs.ts';
import { foreignUsers } from '../../test/lib/foreign-users.ts';
import { freePort, removeFolder, run, testFolder } from '../../test/lib/processes.ts';
import { type PeerOptions } from '../peers.ts';
import { type MeasuredServer } from '../servers.ts';
import { startContained } from './contained.ts';
import { debianVersion } from './version.ts';

const BACKLOG = 512;
const WRAPPED = `#define _GNU_SOURCE
#include <dlfcn.h>
int listen(int fd, int backlog) { int (*real)(int, int) = dlsym(RTLD_NEXT, "listen"); return real(fd, ${BACKLOG}); }
`;

export async function startOpenSmtpd({ sinkPort, discarded }: PeerOptions): Promise<MeasuredServer> {
  const root = await packageRoot('opensmtpd');
  const folder = await testFolder('bench-opensmtpd');
  const users = await foreignUsers(folder, {
    users: ['opensmtpd', 'opensmtpq'],
    libraries: libraryFolders(root),
    pretendRoot: false,
  });
  const port = await freePort();
  const wrapper = await wrapListen(folder);
  for (const name of ['spool', 'spool/smtpd', 'lib', 'lib/opensmtpd', 'lib/opensmtpd/empty', 'run'])
    await mkdir(join(folder, name));
  await chmod(join(folder, 'spool/smtpd'), 0o711);
  await writeFile(join(folder, 'resolv.conf'), 'lookup file\nnameserver 127.0.0.1\n');
  await writeFile(join(folder, 'smtpd.conf'), configuration(port, sinkPort));
  // It insists on its group, which the unpacked file does not give it.
  const control = `setpriv --regid ${users.id('opensmtpq')} --clear-groups ${join(root, 'usr/sbin/smtpctl')}`;
  const variables = Object.entries(users.env)
    .map(([name, value]) => `${name}='${value}'`)
    .join(' ');
  const { measured } = await startContained({
    name: 'OpenSMTPD',
    prepare: [
      mount(join(folder, 'spool'), '/var/spool'),
      mount(join(folder, 'lib'), '/var/lib'),
      mount(join(root, 'usr/libexec'), '/usr/libexec'),
      // Its control socket.
      mount(join(folder, 'run'), '/run'),
      mount(join(folder, 'resolv.conf'), '/etc/resolv.conf'),
      // Whoever is served first shall find it paused: the control socket opens with the listener.
      discarded === 'kept' ? `(until ${variables} ${control} pause mta > /dev/null 2>&1; do sleep 0.1; done) &` : ':',
    ],
    argv: [join(root, 'usr/sbin/smtpd'), '-d', '-f', join(folder, 'smtpd.conf')],
    env: { ...users.env, LD_PRELOAD: `${users.env['LD_PRELOAD']} ${wrapper}` },
    ...{ folder, port },
    log: async () => '',
  });
  return {
    ...measured,
    version: debianVersion(root, 'opensmtpd'),
    stop: async () => {
      await measured.stop();
      await removeFolder(folder);
    },
  };
}

function mount(from: string, over: string): string {
  return `mount --bind '${from}' ${over}`;
}

async function wrapListen(folder: string): Promise<string> {
  if (!existsSync('/usr/bin/gcc')) throw new Error('its listen backlog of five cannot be raised without gcc');
  const [source, library] = [join(folder, 'listen.c'), join(folder, 'listen.so')];
  await writeFile(source, WRAPPED);
  await run({ argv: ['/usr/bin/gcc', '-shared', '-fPIC', '-o', library, source] });
  await readFile(library);
  return library;
}

function configuration(port: number, sinkPort: number): string {
  const hundreds = ['host', 'route', 'relay', 'domain', 'connector'].map(
    (what) => `mta limit max-conn-per-${what} 100\n`,
  );
  const noDelays = ['conn-delay-route', 'reconn-delay-route', 'session-transaction-delay', 'conn-delay-host'];
  const others = ['conn-delay-source', 'conn-delay-connector', 'conn-delay-relay', 'conn-delay-domain'];
  return `smtp max-message-size 50M
smtp limit max-mails 100000
${hundreds.join('')}mta limit max-conn-per-source 200
mta limit session-mail-max 1000
mta limit task-hiwat 2000
${[...noDelays, ...others].map((what) => `mta limit ${what} 0\n`).join('')}scheduler limit max-inflight 10000
listen on 127.0.0.1 port ${port} hostname opensmtpd.bench.test
action "relay" relay host smtp://127.0.0.1:${sinkPort}
match from any for any action "relay"
`;
}
