/** What the configuration makes of the records of a domain, as `domain add` prints them. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Config, readConfig } from '../config/config.ts';
import { memoryDirectory } from '../directory/memory/memory-directory.ts';
import { directoryFacts } from './directory-facts.ts';
import { DirectoryOperations } from './directory-operations.ts';
import { ownStsText } from './own-sts.ts';

function configOf(written: object): Config {
  const read = readConfig({ hostname: 'mx.a.test', relay: { domains: ['a.test'] }, ...written }, '/');
  if (!read.ok) throw new Error(read.problems.map(String).join());
  return read.value;
}

function add(config: Config, domain: string) {
  const nothing = (): Promise<void> => Promise.resolve();
  const operations = new DirectoryOperations({
    ...{ store: memoryDirectory(), now: () => 0, changed: nothing, record: nothing },
    facts: () => directoryFacts(config),
  });
  return operations.addDomain({ domain });
}

describe('the records of MTA-STS', () => {
  for (const [domain, mode] of [
    ['a.test', 'enforce'],
    ['a.test', 'none'],
    ['a.test', 'off'],
    ['b.test', 'enforce'],
    ['b.test', 'off'],
    ['x.a.test', 'testing'],
  ] as const)
    test(`of ${domain} with mode ${mode} are there when a policy is served for it`, async () => {
      const config = configOf({ mtaSts: { mode } });
      const { records } = await add(config, domain);
      const found = records.filter(({ purpose }) => purpose === 'mtaSts' || purpose === 'mtaStsHost');
      assert.equal(found.length, ownStsText(config, domain) === undefined ? 0 : 2);
    });

  test('and where there are none although a policy is served, it is said why', async () => {
    const config = configOf({ mtaSts: { mode: 'enforce' } });
    const { notes } = await add(config, 'b.test');
    assert.match(
      notes[0] ?? '',
      /^mail for b\.test is refused here until it stands in local\.domains or relay\.domains/,
    );
    assert.match(notes[1] ?? '', /no records of MTA-STS: no policy is served for b\.test/);
    assert.deepEqual((await add(config, 'a.test')).notes, []);
    assert.equal((await add(configOf({}), 'b.test')).notes.length, 1);
  });
});

test('reports on encryption go to where they are read', async () => {
  const rua = async (written: object): Promise<string> => {
    const { records } = await add(configOf(written), 'a.test');
    return records.find(({ purpose }) => purpose === 'tlsRpt')?.value ?? '';
  };
  assert.equal(await rua({ tlsReports: { address: 'Reports@a.test' } }), 'v=TLSRPTv1; rua=mailto:Reports@a.test');
  assert.equal(await rua({}), 'v=TLSRPTv1; rua=mailto:postmaster@a.test');
});

test('mail leaves by the addresses that are dialled from, unless it goes by other hosts only', () => {
  const smarthost = { kind: 'smarthost', name: 'out', host: 'out.test' };
  for (const [written, sendsBy] of [
    [{}, ['A', 'AAAA']],
    [{ dns: { family: 'ipv4' } }, ['A']],
    [{ dns: { family: 'ipv6' } }, ['AAAA']],
    [{ routes: [smarthost] }, []],
    [{ routes: [{ ...smarthost, match: { recipients: ['c.test'] } }] }, ['A', 'AAAA']],
  ] as const)
    assert.deepEqual(directoryFacts(configOf(written)).sendsBy, sendsBy, JSON.stringify(written));
});
