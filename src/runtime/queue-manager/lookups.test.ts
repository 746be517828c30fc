import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { turns } from '../../../test/lib/queue-parts.ts';
import { type Route } from '../../mail/route.ts';
import { type SiteAnswer } from '../../queue/site.ts';
import { Lookups } from './lookups.ts';

const MX: Route = { name: 'mx', kind: 'mx', match: {}, port: 25, tls: 'opportunistic' };
const DISCARD: Route = { name: 'away', kind: 'discard', match: {} };
const SITE: SiteAnswer = {
  kind: 'site',
  site: 's',
  hosts: [{ name: 's', preference: 0 }],
  ttl: 1,
  authenticated: false,
};

function world(workers: number[]) {
  const asked: string[] = [];
  const answered: string[] = [];
  const lookups = new Lookups({
    workers: () => workers,
    ask: (worker, { routingDomain }) => void asked.push(`${worker} ${routingDomain}`),
    answered: (routingDomain, route, { kind }) => void answered.push(`${routingDomain} ${route} ${kind}`),
  });
  return { lookups, asked, answered };
}

describe('a look-up', () => {
  test('of one domain goes to the same worker each time, those of many to all', () => {
    const { lookups, asked } = world([0, 1, 2]);
    for (let i = 0; i < 60; i += 1) {
      lookups.look({ routingDomain: `d${i % 30}.test`, route: MX });
      lookups.resolved(`d${i % 30}.test`, 'mx', SITE);
    }
    assert.deepEqual(asked.slice(0, 30), asked.slice(30));
    assert.deepEqual([...new Set(asked.map((line) => line[0]))].sort(), ['0', '1', '2']);
  });

  test('that needs no DNS is answered without a worker, and not before the call returns', async () => {
    const { lookups, asked, answered } = world([0]);
    lookups.look({ routingDomain: 'a.test', route: DISCARD });
    assert.deepEqual(answered, []);
    await turns(1);
    assert.deepEqual(answered, ['a.test away site']);
    assert.deepEqual(asked, []);
  });

  test('without any worker waits for one', async () => {
    const workers: number[] = [];
    const { lookups, asked, answered } = world(workers);
    lookups.look({ routingDomain: 'a.test', route: MX });
    lookups.look({ routingDomain: 'b.test', route: MX });
    await turns(1);
    assert.deepEqual([asked, answered, lookups.open], [[], [], 2]);
    workers.push(7);
    lookups.workerJoined();
    assert.deepEqual(asked, ['7 a.test', '7 b.test']);
    workers.push(8);
    lookups.workerJoined();
    assert.equal(asked.length, 2, 'nobody is asked twice');
    lookups.resolved('a.test', 'mx', SITE);
    assert.deepEqual([answered, lookups.open], [['a.test mx site'], 1]);
  });
});

describe('a worker that dies', () => {
  test('leaves its questions to the others, and no question is lost', async () => {
    const workers = [0, 1];
    const { lookups, asked, answered } = world(workers);
    for (let i = 0; i < 10; i += 1) lookups.look({ routingDomain: `d${i}.test`, route: MX });
    const lost = asked.filter((line) => line.startsWith('0 ')).map((line) => line.slice(2));
    assert.ok(lost.length > 0 && lost.length < 10);
    asked.length = 0;
    workers.shift();
    lookups.workerLeft(0);
    assert.deepEqual(
      asked,
      lost.map((domain) => `1 ${domain}`),
    );
    assert.equal(lookups.open, 10);
    workers.shift();
    lookups.workerLeft(1);
    await turns(1);
    assert.deepEqual([answered, lookups.open], [[], 10], 'the last one leaves them to the next');
    workers.push(1);
    asked.length = 0;
    lookups.workerJoined();
    assert.equal(asked.length, 10);
  });

  test('leaves nothing of what it had answered', () => {
    const { lookups, asked } = world([0]);
    lookups.look({ routingDomain: 'a.test', route: MX });
    lookups.resolved('a.test', 'mx', SITE);
    asked.length = 0;
    lookups.workerLeft(0);
    assert.deepEqual(asked, []);
  });
});
