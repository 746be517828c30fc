/** Routes, compiled: which way a recipient goes, and which entries a message becomes. */

import { Networks } from '../lib/ip.ts';
import { type Entry, type EntryRecipient } from '../mail/entry.ts';
import { type Mailbox } from '../mail/path.ts';
import { queueName } from '../mail/queue-name.ts';
import { type Route } from '../mail/route.ts';
import { type RetryOptions } from '../queue/retry.ts';
import { compileRoutes, entriesFor, routeFor, type Routes } from '../queue/routes.ts';
import { type Refused } from '../receive/local-intake.ts';
import { type PlannedMessage, type RouteFacts } from '../receive/ports.ts';
import { refusalName, RefusalRoutes } from './refusal-route.ts';

/** Last of all: what no configured route takes. A message that was accepted under older routes ends here, and is told. */
const UNROUTED: Route = {
  name: 'unrouted',
  kind: 'fail',
  match: {},
  code: 550,
  status: '5.4.4',
  text: 'No route to this recipient is configured',
};

/** What waits with a refusal waits together, whatever its words. */
const REFUSED = 'fail:refused';

export class RoutePlan {
  readonly #routes: Routes;
  readonly #retry: RetryOptions;
  readonly #refusals = new RefusalRoutes();

  constructor(routes: readonly Route[], retry: RetryOptions) {
    this.#routes = compileRoutes([...routes, UNROUTED], networksOf);
    this.#retry = retry;
  }

  routeOf(recipient: Mailbox, facts: RouteFacts): Route | undefined {
    return routeFor(recipient, facts, this.#routes);
  }

  byName(name: string): Route | undefined {
    return this.#routes.byName.get(name) ?? this.#refusals.byName(name);
  }

  entriesOf(message: PlannedMessage, recipients: readonly EntryRecipient[]): readonly Entry[] {
    const { id, envelope, acceptedAt, octets, beforeQueue, releaseAt, uselessAt, pool } = message;
    const { reversePath: sender, tenant, campaign, client, deliverBy, tags, trackingId } = envelope;
    const facts = {
      ...{ message: id, sender, tenant, campaign, acceptedAt, octets, class: message.class },
      ...{ clientAddress: client.address, dueAt: acceptedAt },
      ...(releaseAt !== undefined && { releaseAt }),
      ...(uselessAt !== undefined && { uselessAt }),
      ...(pool !== undefined && { pool }),
      ...(deliverBy && { deliverBy }),
      ...(tags && { tags }),
      ...(trackingId !== undefined && { trackingId }),
    };
    const { entries } = entriesFor(facts, recipients, this.#routes, this.#retry);
    return beforeQueue === undefined ? entries : entries.map((entry) => ({ ...entry, beforeQueue }));
  }

  /** Entries of recipients that were refused with a reply, of which their sender is to be told. They come after `first` others. */
  refusedEntries(message: PlannedMessage, { recipients, why }: Refused, first: number): readonly Entry[] {
    const { id, envelope } = message;
    const queue = queueName({ campaign: envelope.campaign, tenant: envelope.tenant, domain: REFUSED });
    return this.entriesOf(message, recipients).map((entry, i) => ({
      ...entry,
      ...{ id: `${id}/${first + i}`, route: refusalName(why), routingDomain: REFUSED, queue },
    }));
  }
}

function networksOf(list: readonly string[]): Networks {
  const networks = Networks.parse(list);
  if (!networks.ok) throw new Error(`a network that the configuration should have refused: ${networks.reason}`);
  return networks.value;
}
