/** Debian's Exim, unpacked: delivers each message at once in a process of its own, as it does by default. */

import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { libraryFolders, packageRoot } from '../../test/lib/debs.ts';
import { foreignUsers } from '../../test/lib/foreign-users.ts';
import { freePort, removeFolder, testFolder } from '../../test/lib/processes.ts';
import { type MeasuredServer } from '../servers.ts';
import { startContained } from './contained.ts';
import { debianVersion } from './version.ts';

const USER = 'Debian-exim';

export async function startExim(sinkPort: number): Promise<MeasuredServer> {
  const root = await packageRoot('exim');
  const folder = await testFolder('bench-exim');
  const users = await foreignUsers(folder, { users: [USER], libraries: libraryFolders(root), pretendRoot: false });
  const port = await freePort();
  const binary = join(root, 'usr/sbin/exim4');
  const config = join(folder, 'exim.conf');
  for (const name of ['spool', 'log']) {
    await mkdir(join(folder, name));
    if (process.getuid?.() === 0) await chown(join(folder, name), users.id(USER), users.id(USER));
  }
  await writeFile(config, configuration({ folder, binary, port, sinkPort }));
  const { measured } = await startContained({
    ...{ name: 'Exim', argv: [binary, '-C', config, '-bdf', '-q30m'], env: users.env, folder, port },
    log: () => readFile(join(folder, 'log', 'mainlog'), 'utf8').catch(() => ''),
  });
  return {
    ...measured,
    // A hundred messages a second: fewer say as much.
    share: 0.4,
    version: debianVersion(root, 'exim4-daemon-light'),
    stop: async () => {
      await measured.stop();
      await removeFolder(folder);
    },
  };
}

interface Place {
  readonly folder: string;
  readonly binary: string;
  readonly port: number;
  readonly sinkPort: number;
}

/** No limit that this load would meet, no files that only people read, no second start as root for each delivery. */
function configuration({ folder, binary, port, sinkPort }: Place): string {
  return `
keep_environment = ^(LD_.*|NSS_WRAPPER_.*|UID_WRAPPER.*)$
exim_path = ${binary}
exim_user = ${USER}
exim_group = ${USER}
spool_directory = ${folder}/spool
log_file_path = ${folder}/log/%slog
pid_file_path = ${folder}/exim.pid
primary_hostname = exim.bench.test
daemon_smtp_ports = ${port}
local_interfaces = <; 127.0.0.1
disable_ipv6
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
acl_smtp_rcpt = accept
acl_smtp_data = accept
message_size_limit = 50M
recipients_max = 1000
smtp_accept_max = 1200
smtp_accept_queue_per_connection = 0
smtp_connect_backlog = 512
queue_run_max = 50
remote_max_parallel = 20
split_spool_directory
deliver_drop_privilege
no_message_logs
log_selector = -queue_run
begin routers
discard:
  driver = redirect
  domains = discard.test
  data = :blackhole:
relay:
  driver = manualroute
  route_list = * 127.0.0.1 byname
  transport = sink
  self = send
  no_more
begin transports
sink:
  driver = smtp
  port = ${sinkPort}
  allow_localhost
  hosts_avoid_tls = *
  connection_max_messages = 500
begin retry
* * F,4d,1m
`;
}
