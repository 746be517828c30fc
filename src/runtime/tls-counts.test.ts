import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { zoneResolver } from '../../test/lib/zone-resolver.ts';
import { type TlsEvent } from '../events/event.ts';
import { DAY, MINUTE, SECOND } from '../lib/time.ts';
import { type TlsSession } from '../mail/tls-result.ts';
import { TlsCounts } from './tls-counts.ts';

const session = (parts: Partial<TlsSession> = {}): TlsSession => ({
  policy: 'sts',
  policyType: 'sts',
  host: 'mx.b.test',
  address: '192.0.2.1',
  result: 'successful',
  reason: '',
  ...parts,
});
const expired = session({ result: 'certificate-expired', reason: 'CERT_HAS_EXPIRED' });

function world(reports = true) {
  const clock = new HandClock();
  const told: TlsEvent[] = [];
  const asked: string[] = [];
  const zone = { '_smtp._tls.b.test': { TXT: ['v=TLSRPTv1; rua=mailto:tls@b.test'] } };
  const resolver = zoneResolver(zone, asked);
  const counts = new TlsCounts({
    ...{ clock, timers: clock, resolver: () => resolver, reports: () => reports },
    tell: (event) => void told.push(event),
  });
  const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  const summary = () => told.map(({ domain, result, sessions }) => [domain, result, sessions]);
  return { clock, told, asked, counts, settled, summary };
}

describe('how sessions were secured', () => {
  test('like ones of a minute are one event', async () => {
    const { counts, clock, told, summary, settled } = world();
    const first = clock.now();
    for (let i = 0; i < 5; i++) counts.add('b.test', session());
    counts.add('b.test', expired);
    counts.add('b.test', expired);
    await settled();
    assert.deepEqual(told, []);
    clock.advance(MINUTE);
    assert.deepEqual(summary().sort(), [
      ['b.test', 'certificate-expired', 2],
      ['b.test', 'successful', 5],
    ]);
    assert.ok(told.every(({ at }) => at === first));
    counts.add('b.test', expired);
    clock.advance(MINUTE);
    assert.equal(told.length, 3);
  });

  test('successes are told where the domain asks for reports alone', async () => {
    const { counts, summary, settled } = world();
    counts.add('b.test', session());
    counts.add('c.test', session());
    counts.add('c.test', expired);
    await settled();
    counts.flush();
    assert.deepEqual(summary().sort(), [
      ['b.test', 'successful', 1],
      ['c.test', 'certificate-expired', 1],
    ]);
  });

  test('while no reports are sent nobody is asked, and failures are told', async () => {
    const { counts, asked, summary, settled } = world(false);
    counts.add('b.test', session());
    counts.add('b.test', expired);
    await settled();
    counts.flush();
    assert.deepEqual(asked, []);
    assert.deepEqual(summary(), [['b.test', 'certificate-expired', 1]]);
  });

  test('failures from several addresses of ours are told apart', () => {
    const { counts, told } = world();
    for (const sourceAddress of ['198.51.100.7', '198.51.100.8', '198.51.100.7'])
      counts.add('b.test', { ...expired, sourceAddress });
    counts.flush();
    assert.deepEqual(
      told.map(({ sourceAddress, sessions }) => [sourceAddress, sessions]),
      [
        ['198.51.100.7', 2],
        ['198.51.100.8', 1],
      ],
    );
  });

  test('a day ends at midnight', () => {
    const { counts, clock, told } = world();
    clock.advance(DAY - (clock.now() % DAY) - SECOND);
    counts.add('b.test', expired);
    clock.advance(2 * SECOND);
    counts.add('b.test', expired);
    counts.flush();
    assert.deepEqual(
      told.map(({ at }) => at % DAY),
      [DAY - SECOND, SECOND],
    );
  });

  test('very many kinds are told at once', () => {
    const { counts, told } = world();
    for (let i = 0; i < 5001; i++) counts.add(`d${i}.test`, expired);
    assert.equal(told.length, 5000);
  });
});
