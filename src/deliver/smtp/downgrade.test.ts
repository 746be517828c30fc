/** A host that offered encryption yesterday, and what becomes of mail for it today. */

import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { agentFor, dispatchOf, type Letter, MX } from '../../../test/lib/delivery.ts';
import { HandClock } from '../../../test/lib/hand-clock.ts';
import { type PeerScript, PeerServer } from '../../../test/lib/peer-server.ts';
import { certify } from '../../../test/lib/pki.ts';
import { zoneResolver } from '../../../test/lib/zone-resolver.ts';
import { type AttemptReport } from '../../queue/dispatch.ts';
import { TlsHosts } from '../tls-hosts.ts';

const own = await certify({ subject: 'mx', names: ['mx.test'] });
const encrypted: PeerScript = { certificate: own };
const inClear: PeerScript = {};
const broken: PeerScript = {
  offers: ['STARTTLS'],
  replies: {
    STARTTLS: (_: string, { socket }: { socket: { end(text: string): void } }) => {
      socket.end('220 go\r\n');
      return '';
    },
  },
} as PeerScript;

interface Sending {
  readonly hosts: TlsHosts;
  readonly withoutTls: 'tell' | 'defer';
  readonly letter?: Letter;
}

async function send(t: TestContext, script: PeerScript, sending: Sending): Promise<AttemptReport> {
  const { letter = {} } = sending;
  const deliver = await sender(t, script, sending);
  return deliver(letter);
}

/** One after the other, on one connection if it will do. */
async function sender(t: TestContext, script: PeerScript, { hosts, withoutTls }: Sending) {
  const peer = await new PeerServer(script).listen('127.0.0.1', 0);
  t.after(() => peer.close());
  const { agent } = agentFor(t, {
    resolver: zoneResolver({ 'mx.test': { A: ['127.0.0.1'] } }),
    family: 'ipv4',
    tlsMemory: { knows: (host) => hosts.knows(host), seen: (host) => hosts.seen(host), withoutTls },
  });
  return (letter: Letter): Promise<AttemptReport> =>
    agent.deliver(dispatchOf({ ...MX, port: peer.port, tls: 'opportunistic' }, letter));
}

function story({ outcomes: [outcome], tls, tlsSessions }: AttemptReport): string {
  const downgraded = tlsSessions?.some((session) => session.downgraded === true) === true ? ', told' : '';
  return `${outcome?.kind}${outcome?.kind === 'deferred' ? ` ${outcome.status}` : ''} ${tls === undefined ? 'in clear' : 'encrypted'}${downgraded}`;
}

describe('a host that offered encryption before', () => {
  const known = (): TlsHosts => {
    const hosts = new TlsHosts(new HandClock());
    hosts.seen('mx.test');
    return hosts;
  };
  const cases: readonly [string, PeerScript, 'tell' | 'defer', string][] = [
    ['and does now', encrypted, 'tell', 'delivered encrypted'],
    ['and does now, strict', encrypted, 'defer', 'delivered encrypted'],
    ['and does not now', inClear, 'tell', 'delivered in clear, told'],
    ['and does not now, strict', inClear, 'defer', 'deferred 4.7.4 in clear, told'],
    ['and whose handshake fails now', broken, 'tell', 'delivered in clear, told'],
    ['and whose handshake fails now, strict', broken, 'defer', 'deferred 4.7.5 in clear, told'],
  ];
  for (const [name, script, withoutTls, want] of cases)
    test(name, async (t) => assert.equal(story(await send(t, script, { hosts: known(), withoutTls })), want));

  test('is told with the words', async (t) => {
    const { tlsSessions, tlsSession } = await send(t, inClear, { hosts: known(), withoutTls: 'tell' });
    assert.match(tlsSessions![0]!.reason, /^mx\.test offered encryption before/);
    assert.equal(tlsSession?.downgraded, true);
  });

  test('says why it waits', async (t) => {
    const { outcomes } = await send(t, inClear, { hosts: known(), withoutTls: 'defer' });
    assert.match(outcomes[0]!.diagnostic, /mx\.test offered encryption before/);
  });

  test('gets what asks for no encryption, however strict', async (t) => {
    const letter: Letter = { sender: { ...dispatchOf({ ...MX, port: 25 }).sender, tlsOptional: true } };
    assert.equal(
      story(await send(t, inClear, { hosts: known(), withoutTls: 'defer', letter })),
      'delivered in clear, told',
    );
  });
});

test('a connection opened in clear for mail that asks for no encryption takes no other, where that is to wait', async (t) => {
  const hosts = new TlsHosts(new HandClock());
  hosts.seen('mx.test');
  const optional: Letter = { sender: { ...dispatchOf({ ...MX, port: 25 }).sender, tlsOptional: true } };
  const strict = await sender(t, inClear, { hosts, withoutTls: 'defer' });
  assert.equal(story(await strict(optional)), 'delivered in clear, told');
  const [again, other] = [await strict(optional), await strict({})];
  assert.ok(again.reused);
  assert.ok(!other.reused);
  assert.equal(story(other), 'deferred 4.7.4 in clear, told');
});

describe('a host that is new', () => {
  test('is remembered when it encrypts', async (t) => {
    const hosts = new TlsHosts(new HandClock());
    await send(t, encrypted, { hosts, withoutTls: 'tell' });
    assert.ok(hosts.knows('mx.test'));
  });

  for (const [name, script] of [
    ['does not', inClear],
    ['breaks over it', broken],
  ] as const) {
    test(`is not when it ${name}, and nothing is told`, async (t) => {
      const hosts = new TlsHosts(new HandClock());
      assert.equal(story(await send(t, script, { hosts, withoutTls: 'defer' })), 'delivered in clear');
      assert.ok(!hosts.knows('mx.test'));
    });
  }
});
