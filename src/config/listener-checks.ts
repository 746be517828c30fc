/** What is wrong between the options of listeners. */

import { isLoopback } from '../lib/ip.ts';
import { read, type Values } from '../lib/schema.ts';
import { type Problem } from '../lib/schema-reading.ts';
import { type ListenerOptions, LISTENERS_OPTION } from '../receive/config.ts';
import { repeated, wrong } from './problems.ts';

interface Checkable {
  readonly listeners: Values<typeof LISTENERS_OPTION>;
}

export const LISTENER_CHECKS = [uniqueListeners, loginsAreEncrypted, someMechanism, mechanismsAreUsed] as const;

function uniqueListeners({ listeners }: Checkable): readonly Problem[] {
  return repeated(listeners.map(({ name }) => name)).map(([i, name]) =>
    wrong(`listeners[${i}].name`, `another listener is called ${name} too`, 'give each a name of its own'),
  );
}

/** A password in clear text, or shown to whoever answers, is given away. */
function loginsAreEncrypted({ listeners }: Checkable): readonly Problem[] {
  return listeners.flatMap(({ auth, tls, host, protocol, authInClearText }, i) => {
    if (auth === 'off') return [];
    if (protocol === 'lmtp') return wrong(`listeners[${i}].auth`, 'nobody logs in for LMTP', 'leave it off');
    if (authInClearText && !isLoopback(host))
      return wrong(
        `listeners[${i}].authInClearText`,
        `passwords would pass in clear text over ${host}`,
        'leave it off, or let this listener have host 127.0.0.1 or ::1',
      );
    if (tls === 'off' && !authInClearText)
      return wrong(`listeners[${i}].auth`, 'nobody could log in: there is no TLS', "tls: 'starttls' or 'implicit'");
    return [];
  });
}

function someMechanism({ listeners }: Checkable): readonly Problem[] {
  return listeners.flatMap(({ auth, authMechanisms, clientCertificates }, i) => {
    if (auth === 'off') return [];
    if (authMechanisms.length === 0) {
      const what = 'nobody could log in: there is no mechanism';
      return [wrong(`listeners[${i}].authMechanisms`, what, "leave it out, or write ['SCRAM-SHA-256', 'PLAIN']")];
    }
    if (clientCertificates || authMechanisms.some((name) => name !== 'EXTERNAL')) return [];
    const what = 'nobody could log in: EXTERNAL is by certificate, and clients are not asked for one';
    return [wrong(`listeners[${i}].authMechanisms`, what, 'write clientCertificates: true, or name others too')];
  });
}

function mechanismsAreUsed({ listeners }: Checkable): readonly Problem[] {
  return listeners.flatMap(({ auth, authMechanisms }, i) =>
    auth !== 'off' || sameAs(authMechanisms, STANDING)
      ? []
      : [wrong(`listeners[${i}].authMechanisms`, 'nobody logs in here', "write auth: 'required', or leave it out")],
  );
}

const STANDING = standingMechanisms();

function standingMechanisms(): ListenerOptions['authMechanisms'] {
  const listeners = read({ listeners: LISTENERS_OPTION }, {});
  return listeners.ok ? (listeners.value.listeners[0]?.authMechanisms ?? []) : [];
}

function sameAs(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((one, i) => one === others[i]);
}
