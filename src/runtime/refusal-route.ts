/**
 * Routes that refuse with a reply that was given already: mail from local users is taken where a client would be
 * refused, and what the client would have read is told to the sender instead.
 *
 * The whole route is in its name, so that an entry that waits needs no configuration for it.
 */

import { type EnhancedStatus, type Reply, reply, replyText } from '../mail/reply.ts';
import { type FailRoute } from '../mail/route.ts';

/** No configured route has a name with a colon in it. */
const PREFIX = 'refused:';
const MAX_TEXT = 200;
const FORM = /^refused:([45]\d\d) ([45]\.\d{1,3}\.\d{1,3}) ([\x20-\x7e]{0,200})$/;
/** Replies with their words differ little; whoever makes them differ gains nothing. */
const MAX_REMEMBERED = 100;

export function refusalName(why: Reply): string {
  const { code, status } = why;
  const text = replyText(reply(code, undefined, ...why.lines)).slice('550 '.length);
  const printable = text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, MAX_TEXT);
  return `${PREFIX}${code} ${status ?? `${code < 500 ? 4 : 5}.0.0`} ${printable}`;
}

export class RefusalRoutes {
  /** The same route by the same name: whoever compares routes does so as values. */
  readonly #known = new Map<string, FailRoute>();

  byName(name: string): FailRoute | undefined {
    if (!name.startsWith(PREFIX)) return undefined;
    const known = this.#known.get(name) ?? routeNamed(name);
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    if (known !== undefined) this.#known.set(name, known);
    return known;
  }
}

function routeNamed(name: string): FailRoute | undefined {
  const [, code, status, text] = FORM.exec(name) ?? [];
  if (code === undefined || status === undefined || text === undefined) return undefined;
  // Of the right form, as the pattern says.
  return { name, kind: 'fail', match: {}, code: Number(code), status: status as EnhancedStatus, text };
}
