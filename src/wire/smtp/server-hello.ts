/**
 * The greeting and the reply to EHLO (RFC 5321 §4.2, §4.1.1.1): the same for each session with the same options, and so
 * put together once.
 */

import { type Reply, reply } from '../../mail/reply.ts';
import { type ExtensionName, extensionLines, futureReleaseLine } from './extensions.ts';
import { type ServerOptions, type TlsState } from './server-options.ts';
import { serverReply } from './server-replies.ts';

const GREETINGS = new WeakMap<ServerOptions, Reply>();
const EHLOS = new WeakMap<ServerOptions, Map<ReadonlySet<ExtensionName>, Kept>>();
interface Kept {
  readonly made: Reply;
  readonly dated: string;
}

// One for each state of TLS; sets that come from elsewhere are not kept without end.
const MAX_KEPT = 8;

export function greetingOf(options: ServerOptions): Reply {
  let greeting = GREETINGS.get(options);
  if (greeting === undefined) {
    const protocol = options.protocol === 'LMTP' ? 'LMTP' : 'ESMTP';
    greeting = serverReply('greeting', { hostname: options.hostname, protocol });
    GREETINGS.set(options, greeting);
  }
  return greeting;
}

export function ehloReply(options: ServerOptions, offered: ReadonlySet<ExtensionName>, tls: TlsState): Reply {
  let kept = EHLOS.get(options);
  if (kept === undefined) EHLOS.set(options, (kept = new Map()));
  const dated = datedLine(options, offered);
  const known = kept.get(offered);
  if (known !== undefined && known.dated === dated) return known.made;
  const made = reply(250, undefined, options.hostname, ...extensionLines(options, offered, tls));
  if (known !== undefined || kept.size < MAX_KEPT) kept.set(offered, { made, dated });
  return made;
}

/** The one line that does not stay true. */
function datedLine({ futureRelease }: ServerOptions, offered: ReadonlySet<ExtensionName>): string {
  return futureRelease === undefined || !offered.has('FUTURERELEASE') ? '' : futureReleaseLine(futureRelease);
}
