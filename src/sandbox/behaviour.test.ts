import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { MINUTE, SECOND } from '../lib/time.ts';
import { type Mailbox, parseMailbox } from '../mail/path.ts';
import { type Reply, replyText } from '../mail/reply.ts';
import { acceptsAll, type Behaviour, greylists, knowsOnly, limits, repliesSlowly } from './behaviour.ts';
import { ownHost, sharedHost } from './host.ts';

function mailbox(text: string): Mailbox {
  const read = parseMailbox(text);
  assert.ok(read.ok);
  return read.value;
}

const status = (said: Reply | undefined): string => (said === undefined ? 'none' : replyText(said).slice(0, 10).trim());

test('one that accepts everything takes the null reverse-path too', () => {
  const reception = acceptsAll().receive('127.0.0.1');
  assert.equal(reception.connect(), undefined);
  assert.equal(reception.recipient('', mailbox('a@inbox.test')).code, 250);
  assert.equal(reception.pace, 0);
});

test('a slow one has a pace and accepts', () => {
  const reception = repliesSlowly().receive('127.0.0.1');
  assert.equal(reception.pace, SECOND);
  assert.equal(reception.recipient('', mailbox('a@slow.test')).code, 250);
});

describe('a strict one', () => {
  const cases: readonly (readonly [recipient: string, code: number])[] = [
    ['known@strict.test', 250],
    ['Known@STRICT.test', 250],
    ['"known"@strict.test', 250],
    ['unknown@strict.test', 550],
    ['known.not@strict.test', 550],
    ['postmaster@strict.test', 550],
  ];
  for (const [recipient, code] of cases)
    test(`${recipient}: ${code}`, () => {
      const said = knowsOnly('known@strict.test').receive('127.0.0.1').recipient('a@b.test', mailbox(recipient));
      assert.equal(said.code, code);
      if (code === 550) assert.equal(said.status, '5.1.1');
    });
});

describe('a greylisting one', () => {
  const again = (behaviour: Behaviour, client = '127.0.0.1', from = 'a@b.test', to = 'c@greylist.test') =>
    status(behaviour.receive(client).recipient(from, mailbox(to)));

  test('says 450 4.7.1 until the delay is over, and never again', () => {
    const clock = new HandClock();
    const behaviour = greylists(10 * SECOND, clock);
    assert.equal(again(behaviour), '450 4.7.1');
    clock.advance(10 * SECOND - 1);
    assert.equal(again(behaviour), '450 4.7.1');
    clock.advance(1);
    assert.equal(again(behaviour), '250 2.1.5');
    clock.advance(1000 * MINUTE);
    assert.equal(again(behaviour), '250 2.1.5');
  });
  test('knows clients, senders and recipients apart, and no case', () => {
    const clock = new HandClock();
    const behaviour = greylists(10 * SECOND, clock);
    again(behaviour);
    clock.advance(10 * SECOND);
    assert.equal(again(behaviour, '127.0.0.2'), '450 4.7.1');
    assert.equal(again(behaviour, '127.0.0.1', 'z@b.test'), '450 4.7.1');
    assert.equal(again(behaviour, '127.0.0.1', 'a@b.test', 'z@greylist.test'), '450 4.7.1');
    assert.equal(again(behaviour, '127.0.0.1', 'A@b.test', 'C@greylist.test'), '250 2.1.5');
  });
  test('forgets the oldest when a client tries ever new senders', () => {
    const clock = new HandClock();
    const behaviour = greylists(10 * SECOND, clock);
    again(behaviour);
    for (let at = 0; at < 10_000; at += 1) again(behaviour, '127.0.0.1', `${at}@b.test`);
    clock.advance(10 * SECOND);
    assert.equal(again(behaviour), '450 4.7.1');
  });
});

describe('a limiting one', () => {
  const recipient = mailbox('a@limits.test');

  test('refuses a connection too many, by client, until one is closed', () => {
    const behaviour = limits({ connections: 2, messages: 5 }, new HandClock());
    const [first, second, third] = [1, 2, 3].map(() => behaviour.receive('127.0.0.1'));
    assert.equal(status(first!.connect()), 'none');
    assert.equal(status(second!.connect()), 'none');
    assert.equal(status(third!.connect()), '421 4.7.0');
    assert.equal(status(behaviour.receive('127.0.0.2').connect()), 'none');
    third!.close();
    assert.equal(status(behaviour.receive('127.0.0.1').connect()), '421 4.7.0', 'a refused one was never open');
    first!.close();
    first!.close();
    assert.equal(status(behaviour.receive('127.0.0.1').connect()), 'none');
    assert.equal(status(behaviour.receive('127.0.0.1').connect()), '421 4.7.0', 'closed twice counts once');
  });
  test('takes so many messages a minute, then says 450, and hangs up on who goes on', () => {
    const clock = new HandClock();
    const reception = limits({ connections: 2, messages: 5 }, clock).receive('127.0.0.1');
    for (let at = 0; at < 5; at += 1) {
      assert.equal(status(reception.recipient('', recipient)), '250 2.1.5');
      reception.accepted();
      clock.advance(SECOND);
    }
    assert.equal(status(reception.recipient('', recipient)), '450 4.2.1');
    assert.equal(status(reception.recipient('', recipient)), '450 4.2.1');
    assert.equal(status(reception.recipient('', recipient)), '421 4.7.28');
  });
  test('takes the next when the oldest is a minute old', () => {
    const clock = new HandClock();
    const behaviour = limits({ connections: 2, messages: 2 }, clock);
    const next = () => {
      const reception = behaviour.receive('127.0.0.1');
      const said = status(reception.recipient('', recipient));
      if (said === '250 2.1.5') reception.accepted();
      return said;
    };
    assert.equal(next(), '250 2.1.5');
    clock.advance(30 * SECOND);
    assert.deepEqual([next(), next()], ['250 2.1.5', '450 4.2.1']);
    clock.advance(30 * SECOND - 1);
    assert.equal(next(), '450 4.2.1');
    clock.advance(1);
    assert.deepEqual([next(), next()], ['250 2.1.5', '450 4.2.1']);
  });
  test('counts messages and not recipients that were never used', () => {
    const reception = limits({ connections: 2, messages: 1 }, new HandClock()).receive('127.0.0.1');
    for (let at = 0; at < 10; at += 1) assert.equal(reception.recipient('', recipient).code, 250);
  });
});

describe('hosts', () => {
  test('one of a single domain takes its domain and those beside it, and relays for nobody', () => {
    const reception = ownHost(acceptsAll(), new Set(['inbox.test', 'sandbox.test']))('127.0.0.1');
    assert.equal(reception.recipient('', mailbox('a@inbox.test')).code, 250);
    assert.equal(reception.recipient('', mailbox('a@sandbox.test')).code, 250);
    assert.equal(status(reception.recipient('', mailbox('a@other.test'))), '550 5.7.1');
  });

  test('a shared one behaves as the domain of the recipient does', () => {
    const behaviours = new Map([
      ['inbox.test', acceptsAll()],
      ['strict.test', knowsOnly('known@strict.test')],
      ['slow.test', repliesSlowly()],
    ]);
    const reception = sharedHost(behaviours)('127.0.0.1');
    assert.equal(reception.connect(), undefined);
    assert.equal(reception.pace, 0);
    assert.equal(status(reception.recipient('', mailbox('a@inbox.test'))), '250 2.1.5');
    assert.equal(status(reception.recipient('', mailbox('a@strict.test'))), '550 5.1.1');
    assert.equal(status(reception.recipient('', mailbox('a@elsewhere.test'))), '550 5.7.1');
    assert.equal(status(reception.recipient('', mailbox('a@slow.test'))), '250 2.1.5');
    assert.equal(reception.pace, SECOND);
  });
  test('a shared one says to the first recipient what a domain says to a connection, and lets go at the end', () => {
    const host = sharedHost(new Map([['limits.test', limits({ connections: 1, messages: 5 }, new HandClock())]]));
    const [first, second, third] = [host('127.0.0.1'), host('127.0.0.1'), host('127.0.0.1')];
    const to = mailbox('a@limits.test');
    assert.equal(status(first.recipient('', to)), '250 2.1.5');
    assert.equal(status(second.recipient('', to)), '421 4.7.0');
    second.close();
    first.close();
    assert.equal(status(third.recipient('', to)), '250 2.1.5');
  });
});
