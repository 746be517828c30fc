/** One transaction of stateless relay over a connection of its own, which ends with it and gives its lease back. */

import { type RelayConnection } from '../deliver/smtp/open-relay.ts';
import { type RelayTransaction } from '../receive/ports.ts';

export function relayTransaction(relay: RelayConnection, host: string, release: () => void): RelayTransaction {
  let over = false;
  const end = (how: 'quit' | 'abort'): void => {
    if (over) return;
    over = true;
    relay[how]();
    release();
  };
  return {
    host,
    sender: (sender, declaredOctets) => relay.sender(sender, declaredOctets),
    recipient: (recipient) => relay.recipient(recipient),
    begin: () => relay.begin(),
    write: (chunk) => relay.write(chunk),
    finish: async () => {
      try {
        const answer = await relay.finish();
        end('quit');
        return answer;
      } finally {
        // Whatever went wrong, the connection is over and its place is free.
        end('abort');
      }
    },
    abort: () => end('abort'),
  };
}
