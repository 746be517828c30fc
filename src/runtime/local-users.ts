/**
 * The users of this machine by their number: from /etc/passwd, and where that does not know one, from whatever the
 * system asks besides (`getent`). An answer is remembered for a minute.
 */

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { MINUTE } from '../lib/time.ts';
import { type LocalUser } from '../receive/local-message.ts';

const PASSWD = '/etc/passwd';
const GETENT_PATIENCE = 5000;
const MAX_REMEMBERED = 1000;

interface Sources {
  readonly passwd: () => Promise<string>;
  /** One line of the same form, or nothing. */
  readonly getent: (user: number | string) => Promise<string>;
  readonly now: () => number;
}

const SYSTEM: Sources = {
  passwd: () => readFile(PASSWD, 'utf8'),
  getent: (user) =>
    new Promise((resolve) => {
      // No such program, no such user, no answer in time: all the same, the user is not known.
      execFile('getent', ['passwd', '--', String(user)], { timeout: GETENT_PATIENCE }, (error, output) =>
        resolve(error === null ? output : ''),
      );
    }),
  now: () => performance.now(),
};

export function localUsers(sources: Sources = SYSTEM): (uid: number) => Promise<LocalUser | undefined> {
  const remembered = new Map<number, { readonly user: LocalUser | undefined; readonly until: number }>();
  return async (uid) => {
    const known = remembered.get(uid);
    if (known !== undefined && known.until > sources.now()) return known.user;
    const user = userIn(await sources.passwd().catch(() => ''), uid) ?? userIn(await sources.getent(uid), uid);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(uid, { user, until: sources.now() + MINUTE });
    return user;
  };
}

/** The names that no user of this machine has; root is one everywhere. */
export async function unknownUsers(
  names: readonly string[],
  { passwd, getent }: Pick<Sources, 'passwd' | 'getent'> = SYSTEM,
): Promise<readonly string[]> {
  const lines = await passwd().catch(() => '');
  const unknown: string[] = [];
  for (const name of names) {
    const isIn = (text: string): boolean => text.split('\n').some((line) => line.startsWith(`${name}:`));
    if (name !== 'root' && !isIn(lines) && !isIn(await getent(name))) unknown.push(name);
  }
  return unknown;
}

/** In lines of passwd(5). */
export function userIn(passwd: string, uid: number): LocalUser | undefined {
  for (const line of passwd.split('\n')) {
    const [name = '', , number, , gecos = ''] = line.split(':');
    if (name !== '' && number === String(uid)) return { name, fullName: fullNameIn(gecos, name) };
  }
  return undefined;
}

/** The first of the parts; `&` stands for the login name with a capital letter. */
function fullNameIn(gecos: string, name: string): string {
  const [first = ''] = gecos.split(',');
  return first.replaceAll('&', `${name.charAt(0).toUpperCase()}${name.slice(1)}`);
}
