import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DAY, HOUR, MINUTE } from '../lib/time.ts';
import { type MessageOptions } from '../mail/message-options.ts';
import { replyText } from '../mail/reply.ts';
import { type MailRequest } from '../wire/smtp/parameters.ts';
import { requestedTimes, type SendingTimes, timesWith } from './sending-times.ts';

const now = Date.UTC(2026, 10, 23);
const context = { now, longestHold: DAY };

interface Case {
  readonly name: string;
  readonly request?: Omit<MailRequest, 'declaredOctets'>;
  readonly options?: MessageOptions;
  readonly want: SendingTimes | RegExp;
}

const within = (time: number, mode: 'return' | 'notify') => ({ within: time, mode, trace: false });
const by = (time: number, mode: 'return' | 'notify') => ({ at: now + time, mode, trace: false });

describe('when a message is to go, and until when', () => {
  const cases: readonly Case[] = [
    { name: 'nothing asked', want: {} },
    { name: 'HOLDFOR', request: { hold: { kind: 'for', duration: HOUR } }, want: { releaseAt: now + HOUR } },
    { name: 'HOLDUNTIL', request: { hold: { kind: 'until', at: now + DAY } }, want: { releaseAt: now + DAY } },
    { name: 'HOLDUNTIL in the past: at once', request: { hold: { kind: 'until', at: now - HOUR } }, want: {} },
    {
      name: 'too far',
      request: { hold: { kind: 'for', duration: DAY + 1 } },
      want: /^501 5\.5\.4 .*than 1d .*longestHold/,
    },
    { name: 'BY', request: { deliverWithin: within(MINUTE, 'return') }, want: { deliverBy: by(MINUTE, 'return') } },
    {
      name: 'BY that is over',
      request: { deliverWithin: within(-MINUTE, 'notify') },
      want: { deliverBy: by(-MINUTE, 'notify') },
    },
    {
      name: 'BY;R before it may go',
      request: { hold: { kind: 'for', duration: HOUR }, deliverWithin: within(MINUTE, 'return') },
      want: /^501 5\.5\.4 BY is over/,
    },
    {
      name: 'BY;N before it may go',
      request: { hold: { kind: 'for', duration: HOUR }, deliverWithin: within(MINUTE, 'notify') },
      want: { releaseAt: now + HOUR, deliverBy: by(MINUTE, 'notify') },
    },
    { name: 'send-at', options: { sendAt: now + HOUR }, want: { releaseAt: now + HOUR } },
    { name: 'send-at in the past', options: { sendAt: now - DAY }, want: {} },
    { name: 'send-at too far', options: { sendAt: now + DAY + 1 }, want: /^550 5\.6\.0 X-Postrider-Send-At: further/ },
    {
      name: 'send-at and HOLDFOR',
      request: { hold: { kind: 'for', duration: HOUR } },
      options: { sendAt: now + HOUR },
      want: /^550 5\.6\.0 X-Postrider-Send-At: MAIL names another/,
    },
    { name: 'expires after', options: { expires: { after: HOUR } }, want: { uselessAt: now + HOUR } },
    {
      name: 'expires after, counted from when it goes',
      options: { sendAt: now + HOUR, expires: { after: HOUR } },
      want: { releaseAt: now + HOUR, uselessAt: now + 2 * HOUR },
    },
    {
      name: 'expires in the past',
      options: { expires: { at: now } },
      want: /^550 5\.6\.0 X-Postrider-Expires: that is over/,
    },
    {
      name: 'expires before it goes',
      options: { sendAt: now + HOUR, expires: { at: now + MINUTE } },
      want: /^550 5\.6\.0 X-Postrider-Expires/,
    },
  ];
  for (const { name, request = {}, options = {}, want } of cases)
    test(name, () => {
      const asked = requestedTimes({ declaredOctets: undefined, ...request }, context);
      const times = 'code' in asked ? asked : timesWith(asked, options, context);
      if (want instanceof RegExp) assert.match('code' in times ? replyText(times) : 'taken', want);
      else assert.deepEqual(times, want);
    });

  test('where nothing may be handed in ahead, even a minute is too much', () => {
    const asked = requestedTimes(
      { declaredOctets: 1, hold: { kind: 'for', duration: MINUTE } },
      { now, longestHold: 0 },
    );
    assert.ok('code' in asked && asked.code === 501);
  });
});
