/**
 * The simulated receiving servers, all on one port, each domain on a loopback address of its own. Where the system
 * has only 127.0.0.1 they share it, and each recipient meets the behaviour of its domain.
 */

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { type SecureContext } from 'node:tls';
import { OpenSockets } from '../lib/open-sockets.ts';
import { type Behaviour, type Reception } from './behaviour.ts';
import { ownHost, sharedHost } from './host.ts';
import { receiveMail, type ReceiverDeps } from './receiver-session.ts';

/** A domain of the small internet; without a behaviour nobody listens there. */
export interface SimulatedDomain {
  readonly domain: string;
  readonly behaviour: Behaviour | undefined;
  /** Domains whose mail is taken here too. */
  readonly also?: readonly string[];
  /** Offers STARTTLS. */
  readonly secureContext?: SecureContext;
}

export interface Receivers {
  readonly port: number;
  /** Of the host of each domain. */
  readonly addresses: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

const SHARED_ADDRESS = '127.0.0.1';
/** On one address there is no port at which nobody listens; nobody listens on this one. */
const NOBODY = '::1';
const MAX_CONNECTIONS = 200;
const PORT_TRIES = 20;

export const hostOf = (domain: string): string => `mx.${domain}`;

interface Place {
  readonly address: string;
  readonly hostname: string;
  readonly secureContext: SecureContext | undefined;
  readonly receive: (client: string) => Reception;
}

/** `separate: false`: as on a system with a single loopback address. */
export async function startReceivers(
  domains: readonly SimulatedDomain[],
  deps: ReceiverDeps,
  separate = true,
): Promise<Receivers> {
  const sockets = new OpenSockets();
  const plan = separate ? separatePlan(domains) : sharedPlan(domains);
  const opened = await openAll(plan.places, deps, sockets);
  if (opened === 'noAddress') {
    if (!separate) throw new Error('127.0.0.1 is not an address of this machine');
    return startReceivers(domains, deps, false);
  }
  return {
    port: opened.port,
    addresses: plan.addresses,
    close: async () => {
      sockets.destroy();
      await Promise.all(opened.servers.map(closeServer));
    },
  };
}

interface Plan {
  readonly places: readonly Place[];
  readonly addresses: ReadonlyMap<string, string>;
}

function separatePlan(domains: readonly SimulatedDomain[]): Plan {
  const addressed = domains.map((each, at) => ({ ...each, address: `127.0.1.${at + 1}` }));
  return {
    addresses: new Map(addressed.map(({ domain, address }) => [domain, address])),
    places: addressed.flatMap(({ domain, also = [], behaviour, address, secureContext }) =>
      behaviour === undefined
        ? []
        : [
            {
              address,
              hostname: hostOf(domain),
              secureContext,
              receive: ownHost(behaviour, new Set([domain, ...also])),
            },
          ],
    ),
  };
}

function sharedPlan(domains: readonly SimulatedDomain[]): Plan {
  const served = domains.flatMap(({ domain, also = [], behaviour }) =>
    behaviour === undefined ? [] : [domain, ...also].map((name) => [name, behaviour] as const),
  );
  // One certificate for all: who checks it asks for the one domain that has one.
  const secureContext = domains.find((each) => each.secureContext !== undefined)?.secureContext;
  const receive = sharedHost(new Map(served));
  return {
    addresses: new Map(
      domains.map(({ domain, behaviour }) => [domain, behaviour === undefined ? NOBODY : SHARED_ADDRESS]),
    ),
    places: [{ address: SHARED_ADDRESS, hostname: 'mx.test', secureContext, receive }],
  };
}

interface Opened {
  readonly port: number;
  readonly servers: readonly Server[];
}

/** The first place takes any port; if another place cannot have the same, all begin anew. */
async function openAll(
  places: readonly Place[],
  deps: ReceiverDeps,
  sockets: OpenSockets,
): Promise<Opened | 'noAddress'> {
  for (let tries = 1; ; tries += 1) {
    const servers: Server[] = [];
    let port = 0;
    try {
      for (const place of places) {
        const server = await listen(place, port, deps, sockets);
        servers.push(server);
        port = (server.address() as AddressInfo).port;
      }
      return { port, servers };
    } catch (error) {
      await Promise.all(servers.map(closeServer));
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EADDRNOTAVAIL') return 'noAddress';
      if (code !== 'EADDRINUSE' || tries === PORT_TRIES) throw error;
    }
  }
}

async function listen(
  { address, hostname, secureContext, receive }: Place,
  port: number,
  deps: ReceiverDeps,
  sockets: OpenSockets,
): Promise<Server> {
  const server = createServer((socket) => {
    sockets.add(socket);
    // The client may be gone already, and then it has no address.
    receiveMail(socket, { hostname, secureContext }, receive(socket.remoteAddress ?? ''), deps);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen({ port, host: address });
  await once(server, 'listening');
  return server;
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  await closed;
}
