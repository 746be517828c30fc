/** Clocks that are wrong, or set right: what waits is tried when it should be, and ends only for a reason. */

import { setTimeout as pause } from 'node:timers/promises';
import { DAY, HOUR, MINUTE, SECOND } from '../../src/lib/time.ts';
import { FastSink } from '../../test/lib/fast-sink.ts';
import { LineClient } from '../../test/lib/line-client.ts';
import { toSink } from '../../test/lib/load-config.ts';
import { until } from '../../test/lib/wait.ts';
import { type Findings, type Scene } from '../storage/scene.ts';
import { type ClockWorld, inClockWorld, LATER } from './clock-world.ts';

const YEARS = 365 * DAY;
/** The longest wait of the shipped schedules is four hours, and a tenth of chance. */
const LONGEST_WAIT = 4.5 * HOUR;
const SOME = 5;
/** In which a storm would show. */
const QUIET = 3000;

/** Power comes back after the time of all mail is up: each is tried before it is given up. */
export const poweredOff: Scene = {
  name: 'six days powered off',
  play: (context, findings) =>
    inClockWorld(context, async (world) => {
      const { mail } = world;
      world.answers = () => LATER;
      const late = await mail.send(['late@far.test']);
      const never = await mail.send(['never@far.test']);
      await world.deferred(2);
      const asked = mail.world.asked.length;
      world.answers = (address) => (address.startsWith('never') ? LATER : undefined);
      await world.cut(6 * DAY);
      const boot = world.clock.now() - MINUTE;
      await until('what is taken now', () => mail.world.recipients().includes('late@far.test'), world.patience);
      const expired = await until(
        'the end of what is not',
        async () => (await world.events('expired')).find(({ queueId }) => queueId === never),
        world.patience,
      );
      const tries = (await world.events('attempt')).filter(({ at, queueId }) => queueId === never && at >= boot);
      if (tries.every(({ at }) => at > expired.at))
        findings.failed(poweredOff.name, 'it was given up without being tried');
      if ((await world.events('expired')).some(({ queueId }) => queueId === late))
        findings.failed(poweredOff.name, 'what was delivered was given up');
      if (mail.world.asked.length > asked + 4)
        findings.failed(poweredOff.name, `${mail.world.asked.length - asked} attempts for two messages`);
      findings.tried(poweredOff.name);
    }),
};

/** A machine whose clock is wrong until somebody sets it. Its mail must not pay for that. */
export const aheadAtBoot: Scene = {
  name: 'ten years ahead at boot',
  play: async (context, findings) => {
    for (const way of ['set right while it runs', 'set right before the next start'] as const)
      await inClockWorld(context, async (world) => {
        const { mail } = world;
        world.answers = () => LATER;
        for (let n = 0; n < SOME; n += 1) await mail.send([`old${n}@far.test`]);
        await world.deferred(SOME);
        await world.cut(10 * YEARS);
        await world.deferred(2 * SOME);
        await mail.send(['new@far.test']);
        await world.deferred(2 * SOME + 1);
        await nothingIsOver(world, findings, aheadAtBoot.name);
        if (way === 'set right while it runs') await world.set(-10 * YEARS);
        else await world.cut(-10 * YEARS);
        const now = world.clock.now();
        await until(
          `times that are near again (${way})`,
          async () =>
            (await world.waiting()).every(
              ({ dueAt, expiresAt }) => dueAt <= now + LONGEST_WAIT && expiresAt <= now + 6 * DAY,
            ),
          world.patience,
        );
        await takesAll(world, findings, { count: SOME + 1, where: `${aheadAtBoot.name}, ${way}` });
        findings.tried(`${aheadAtBoot.name}, ${way}`);
      });
  },
};

/** Ten days ahead, and back, while it runs. */
export const wrongForAWhile: Scene = {
  name: 'ten days ahead for a while',
  play: (context, findings) =>
    inClockWorld(context, async (world) => {
      world.answers = () => LATER;
      for (let n = 0; n < SOME; n += 1) await world.mail.send([`old${n}@far.test`]);
      await world.deferred(SOME);
      await world.set(10 * DAY);
      await world.deferred(2 * SOME);
      await nothingIsOver(world, findings, wrongForAWhile.name);
      await world.set(-10 * DAY);
      await takesAll(world, findings, { count: SOME, where: wrongForAWhile.name });
      findings.tried(wrongForAWhile.name);
    }),
};

/** An hour back: what waits is due when it would have been, and is not tried at once either. */
export const hourBack: Scene = {
  name: 'an hour back',
  play: (context, findings) =>
    inClockWorld(context, async (world) => {
      const { mail, clock } = world;
      world.answers = () => LATER;
      for (let n = 0; n < SOME; n += 1) await mail.send([`old${n}@far.test`]);
      await world.deferred(SOME);
      const left = new Map((await world.waiting()).map(({ id, dueAt }) => [id, dueAt - clock.now()]));
      const asked = mail.world.asked.length;
      await world.set(-HOUR);
      await until(
        'the times that they had',
        async () =>
          (await world.waiting()).every(({ id, dueAt }) => dueAt - clock.now() <= (left.get(id) ?? 0) + SECOND),
        world.patience,
      );
      await pause(QUIET);
      if (mail.world.asked.length > asked)
        findings.failed(hourBack.name, `${mail.world.asked.length - asked} attempts that nobody was due`);
      await takesAll(world, findings, { count: SOME, where: hourBack.name });
      findings.tried(hourBack.name);
    }),
};

/** Five minutes, either way, between the commands of a transaction, and in its content. */
export const leapInTransaction: Scene = {
  name: "five minutes' leap in a transaction",
  play: (context, findings) =>
    inClockWorld(context, async ({ mail, clock, patience }) => {
      for (const leap of [5 * MINUTE + SECOND, -5 * MINUTE - SECOND]) {
        const to = `leap${leap > 0 ? 'on' : 'back'}@far.test`;
        const client = await LineClient.greeted(mail.product.smtpPort);
        const steps = ['MAIL FROM:<ann@home.test>', `RCPT TO:<${to}>`, 'DATA'];
        for (const step of steps) {
          const { code, text } = await client.say(step);
          if (code !== 250 && code !== 354) throw new Error(`${step} was answered with ${text} after a leap`);
          await clock.leap(leap);
          // The timers of sessions are looked at every second.
          await pause(1.5 * SECOND);
        }
        client.write('Subject: leap\r\n\r\nOne line.\r\n');
        await clock.leap(leap);
        await pause(1.5 * SECOND);
        const { code, text } = await client.say('.');
        client.close();
        if (code !== 250) findings.failed(leapInTransaction.name, `the content was answered with ${text}`);
        await until(`delivery to ${to}`, () => mail.world.recipients().includes(to), patience);
        findings.tried(`${leapInTransaction.name}, ${leap > 0 ? 'on' : 'back'}`);
      }
    }),
};

/** The next hop is about to answer. */
export const leapInFlight: Scene = {
  name: "five minutes' leap while mail is delivered",
  async play(context, findings) {
    const sink = new FastSink({ delay: () => 3000 });
    try {
      const routes = [toSink({ name: 'out', port: await sink.listen() })];
      await inClockWorld(
        context,
        async ({ mail, clock, patience, events }) => {
          const to = Array.from({ length: 4 }, (_, n) => `flight${n}@far.test`);
          for (const leap of [5 * MINUTE, -5 * MINUTE]) {
            const own = to.map((one) => `${leap > 0 ? 'on' : 'back'}-${one}`);
            await Promise.all(own.map((one) => mail.send([one])));
            await until('deliveries in flight', () => sink.waiting > 0, patience);
            await clock.leap(leap);
            await until('their ends', () => own.every((one) => sink.byRecipient.has(one)), patience);
            findings.tried(`${leapInFlight.name}, ${leap > 0 ? 'on' : 'back'}`);
          }
          await until(
            'an empty queue',
            async () => (await mail.product.control.status()).spool.messages === 0,
            patience,
          );
          const twice = [...sink.byRecipient].filter(([, copies]) => copies.length > 1);
          if (twice.length > 0) findings.failed(leapInFlight.name, `${twice.length} came twice`);
          const deferrals = await events('deferred');
          if (deferrals.length > 0) findings.failed(leapInFlight.name, `deferred: ${deferrals[0]?.reply ?? ''}`);
        },
        { routes },
      );
    } finally {
      await sink.close();
    }
  },
};

async function nothingIsOver(world: ClockWorld, findings: Findings, where: string): Promise<void> {
  const over = [...(await world.events('expired')), ...(await world.events('failed'))];
  if (over.length > 0) findings.failed(where, `${over.length} given up on a clock that cannot be believed`);
  if (world.mail.home.messages.length > 0 && over.length > 0) findings.failed(where, 'and the senders were told');
}

/** The world takes everything now: within the longest wait all of it has come, each once. */
async function takesAll(
  world: ClockWorld,
  findings: Findings,
  { count, where }: { readonly count: number; readonly where: string },
): Promise<void> {
  world.answers = () => undefined;
  await world.set(LONGEST_WAIT);
  const { mail } = world;
  await until(`all of it (${where})`, () => mail.world.messages.length >= count, world.patience);
  const copies = mail.world.recipients();
  if (new Set(copies).size !== copies.length) findings.failed(where, 'some came twice');
}
