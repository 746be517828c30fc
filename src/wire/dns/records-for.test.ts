import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DnsReply } from './message.ts';
import { recordsFor } from './records-for.ts';
import { type ResourceRecord } from './record.ts';

function reply(...answers: readonly ResourceRecord[]): DnsReply {
  return { id: 1, question: undefined, rcode: 0, truncated: false, authenticated: false, answers, soa: undefined };
}

const cname = (name: string, data: string, ttl = 60): ResourceRecord => ({ name, type: 'CNAME', ttl, data });
const a = (name: string, data: string, ttl = 60): ResourceRecord => ({ name, type: 'A', ttl, data });

/** c0 → c1 → … → c`length`, which has an address. */
function chain(length: number): DnsReply {
  return reply(...Array.from({ length }, (_, i) => cname(`c${i}`, `c${i + 1}`)), a(`c${length}`, '192.0.2.1'));
}

describe('recordsFor', () => {
  const found = (ttl: number, ...records: readonly string[]) => ({ kind: 'records', records, owner: 'x', ttl });
  const at = (owner: string, ttl = 60) => ({ ...found(ttl, '192.0.2.1'), owner });
  const none = (owner: string, cnames = 0, ttl = Infinity) => ({ kind: 'none', owner, cnames, ttl });
  const cases: readonly (readonly [string, DnsReply, string, unknown])[] = [
    [
      'the records of the name',
      reply(a('x', '192.0.2.1'), a('x', '192.0.2.2', 30)),
      'x',
      found(30, '192.0.2.1', '192.0.2.2'),
    ],
    ['the name in any case', reply(a('x', '192.0.2.1')), 'X', found(60, '192.0.2.1')],
    ['not those of other names', reply(a('y', '192.0.2.1')), 'x', none('x')],
    ['not those of other types', reply({ name: 'x', type: 'TXT', ttl: 1, data: 'x' }), 'x', none('x')],
    ['through a CNAME', reply(cname('x', 'y'), a('y', '192.0.2.1')), 'x', at('y')],
    ['in any order', reply(a('z', '192.0.2.1'), cname('y', 'z'), cname('x', 'y')), 'x', at('z')],
    ['the lowest TTL on the way', reply(cname('x', 'y', 5), a('y', '192.0.2.1')), 'x', at('y', 5)],
    ['a CNAME that leads nowhere', reply(cname('x', 'y')), 'x', none('y', 1, 60)],
    [
      'records beside a CNAME win',
      reply(cname('x', 'y'), a('x', '192.0.2.1'), a('y', '192.0.2.2')),
      'x',
      found(60, '192.0.2.1'),
    ],
    ['8 CNAMEs', chain(8), 'c0', at('c8')],
    ['9 CNAMEs', chain(9), 'c0', { kind: 'badChain' }],
    ['a loop of one', reply(cname('x', 'x')), 'x', { kind: 'badChain' }],
    ['a loop of two', reply(cname('x', 'y'), cname('y', 'x')), 'x', { kind: 'badChain' }],
    ['nothing', reply(), 'x', none('x')],
  ];
  for (const [name, message, asked, want] of cases)
    test(name, () => assert.deepEqual(recordsFor(message, asked, 'A'), want));
});
