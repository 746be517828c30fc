/** Routes, compiled: which way a recipient goes, and which entries a message becomes. */

import { Networks } from '../lib/ip.ts';
import { type Entry, type EntryRecipient } from '../mail/entry.ts';
import { type Mailbox } from '../mail/path.ts';
import { queueName } from '../mail/queue-name.ts';
import { type Route } from '../mail/route.ts';
import { type RetryOptions } from '../queue/retry.ts';
import { compileRoutes, entriesFor, routeFor, type Routes, routingDomainOf } from '../queue/routes.ts';
import { type PlannedMessage, type RouteFacts } from '../receive/ports.ts';

/** Last of all: what no configured route takes. A message that was accepted under older routes ends here, and is told. */
const UNROUTED: Route = {
  name: 'unrouted',
  kind: 'fail',
  match: {},
  code: 550,
  status: '5.4.4',
  text: 'No route to this recipient is configured',
};

/** The routing domain of a failing route is that of nobody. */
const NOBODY: Mailbox = { localPart: '', domain: '' };
/** Chosen by name alone: recipients of mail from local users that do not exist, so that the sender is told. */
const NO_MAILBOX: Route = {
  name: 'no-mailbox',
  kind: 'fail',
  match: { recipients: [] },
  code: 550,
  status: '5.1.1',
  text: 'No such mailbox here',
};

export class RoutePlan {
  readonly #routes: Routes;
  readonly #retry: RetryOptions;

  constructor(routes: readonly Route[], retry: RetryOptions) {
    this.#routes = compileRoutes([NO_MAILBOX, ...routes, UNROUTED], networksOf);
    this.#retry = retry;
  }

  routeOf(recipient: Mailbox, facts: RouteFacts): Route | undefined {
    return routeFor(recipient, facts, this.#routes);
  }

  byName(name: string): Route | undefined {
    return this.#routes.byName.get(name);
  }

  entriesOf(message: PlannedMessage, recipients: readonly EntryRecipient[]): readonly Entry[] {
    const { id, envelope, acceptedAt, octets, beforeQueue } = message;
    const { reversePath: sender, tenant, campaign, client } = envelope;
    const facts = {
      ...{ message: id, sender, tenant, campaign, acceptedAt, octets, class: message.class },
      ...{ clientAddress: client.address, dueAt: acceptedAt },
    };
    const { entries } = entriesFor(facts, recipients, this.#routes, this.#retry);
    return beforeQueue === undefined ? entries : entries.map((entry) => ({ ...entry, beforeQueue }));
  }

  /** Entries of recipients that do not exist. They come after `first` others of the message. */
  failing(message: PlannedMessage, recipients: readonly EntryRecipient[], first: number): readonly Entry[] {
    const { id, envelope } = message;
    const domain = routingDomainOf(NO_MAILBOX, NOBODY);
    const queue = queueName({ campaign: envelope.campaign, tenant: envelope.tenant, domain });
    return this.entriesOf(message, recipients).map((entry, i) => ({
      ...entry,
      ...{ id: `${id}/${first + i}`, route: NO_MAILBOX.name, routingDomain: domain, queue },
    }));
  }
}

function networksOf(list: readonly string[]): Networks {
  const networks = Networks.parse(list);
  if (!networks.ok) throw new Error(`a network that the configuration should have refused: ${networks.reason}`);
  return networks.value;
}
