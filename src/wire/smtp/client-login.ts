/** How a client proves who it is: AUTH PLAIN (RFC 4616) and AUTH LOGIN (widely served, described in no RFC). */

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/**
 * The line that begins, and those that answer the server's 334 replies in turn; undefined when the server
 * offers no mechanism that we speak.
 */
export function loginLines(
  mechanisms: readonly string[],
  { user, password }: Credentials,
): readonly [string, ...string[]] | undefined {
  if (mechanisms.includes('PLAIN')) return [`AUTH PLAIN ${base64(`\0${user}\0${password}`)}\r\n`];
  if (mechanisms.includes('LOGIN')) return ['AUTH LOGIN\r\n', `${base64(user)}\r\n`, `${base64(password)}\r\n`];
  return undefined;
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
