/** A process of its own: sends numbered messages to many domains, on reused connections, pipelined. */

import process from 'node:process';
import { FastSource } from '../../test/lib/fast-source.ts';
import { numberIn, type SourceCommand, type SourceResult, toMonotonic } from '../children.ts';

const FIELDS = 200;
/** Messages behind which the senders are others: one sender gets no more than a hundred reports an hour. */
const SENDERS_CHANGE = 20_000;

process.on('message', (command: SourceCommand) => void send(command));
process.on('disconnect', () => process.exit(0));

async function send({ port, sessions, gap, first, messages, domains, octets }: SourceCommand): Promise<void> {
  const body = `${`${'x'.repeat(70)}\r\n`.repeat(Math.ceil((octets - FIELDS) / 72))}`;
  let number = first;
  const source = new FastSource({
    ...{ port, sessions, reconnect: false },
    ...(gap > 0 && { gap }),
    next: () => {
      if (number === first + messages) return undefined;
      const domain = `d${number % domains}.mixed.test`;
      const from = `sender${Math.floor(number / SENDERS_CHANGE)}@${domain}`;
      number += 1;
      return { to: `${number - 1}@${domain}`, from, body };
    },
  });
  await source.run();
  const times = [...source.fates].flatMap(([to, fate]) =>
    fate.kind === 'accepted' ? [[numberIn(to), toMonotonic(fate.at)] as const] : [],
  );
  process.send?.({ accepted: source.countOf('accepted'), times } satisfies SourceResult);
}
