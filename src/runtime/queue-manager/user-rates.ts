/** Whether a logged-in user, and its tenant, may send one more message now; by the limits that the directory has. */

import { errorText } from '../../lib/error-text.ts';
import { type DirectoryReader } from '../../directory/directory.ts';
import { type Sending, SendingRates } from '../../queue/sending-rates.ts';
import { type Submitted } from '../../receive/ports.ts';
import { type Clock } from '../../ports/clock.ts';
import { type NewMessage } from '../../spool/spool.ts';

export class UserRates {
  readonly #rates = new SendingRates();
  readonly #directory: Pick<DirectoryReader, 'credential' | 'tenant'>;
  readonly #clock: Clock;

  constructor(directory: Pick<DirectoryReader, 'credential' | 'tenant'>, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** Undefined: it may. Counts it then. */
  excess({ envelope, entries }: NewMessage): Exclude<Submitted, { kind: 'accepted' }> | undefined {
    const { user } = envelope.client;
    if (user === undefined) return undefined;
    const recipients = entries.reduce((sum, entry) => sum + entry.recipients.length, 0);
    try {
      const excess = this.#rates.take({ senders: this.#sendersOf(user), recipients }, this.#clock.now());
      return excess && { kind: 'tooMuch', of: excess.of, limit: excess.limit };
    } catch (error) {
      // Mail that waits must not suffer from a directory that cannot be read.
      return { kind: 'unavailable', reason: errorText(error) };
    }
  }

  #sendersOf(user: string): Sending['senders'] {
    const credential = this.#directory.credential(user);
    if (credential === undefined) return [];
    const own = { name: `user ${user}`, limits: credential.limits };
    const tenant = credential.tenant === '' ? undefined : this.#directory.tenant(credential.tenant);
    return tenant === undefined ? [own] : [own, { name: `tenant ${tenant.name}`, limits: tenant.limits }];
  }
}
