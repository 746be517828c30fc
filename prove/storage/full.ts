/**
 * A disk that is full: a real, small file system, filled to the last page while mail flows, and in the middle of a
 * message that comes in. Refused is refused with 452; deliveries go on, for what they remove makes room; and with room
 * again mail is taken again, by the same process.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { LineClient } from '../../test/lib/line-client.ts';
import { until } from '../../test/lib/wait.ts';
import { type SuiteContext } from '../suite.ts';
import { type Findings, type Scene } from './scene.ts';
import { fill, makeRoom, mount, unmount, withoutMount } from './small-disk.ts';
import { Traffic } from './traffic.ts';

const DISK_MEBIBYTES = 40;
/** The least that may be asked for: so the guard does not get ahead of the disk. */
const MIN_FREE = '1MiB';
const ROUNDS = { short: 2, fault: 1, long: 30 } as const;
const REFUSALS = 10;
/** Deliveries that must be seen while the disk is full. */
const GOING_ON = 5;
/** So that something waits when the disk is full: longer than for other failures. */
const DELAY = 150;
const FULL_FOR = 1500;
const PART = `${'x'.repeat(70)}\r\n`.repeat(6000);
const PARTS = 12;
const BETWEEN_PARTS = 30;

export const fullDisk: Scene = {
  name: 'a full disk',
  cannot: withoutMount,
  async play(context, findings) {
    const traffic = await Traffic.start({
      context,
      delay: DELAY,
      config: { spool: { folder: 'spool', minFree: MIN_FREE } },
      prepare: async (spool) => mount(spool, DISK_MEBIBYTES),
      cleanUp: async (spool) => unmount(spool),
    });
    try {
      await traffic.flows('at first');
      const pid = await traffic.pid();
      for (let round = 0; round < ROUNDS[context.length]; round += 1) {
        if (round % 2 === 0) await filled(traffic, findings);
        else await filledInContent(traffic, context, findings);
      }
      if ((await traffic.pid()) !== pid) findings.failed(fullDisk.name, 'the process was started again');
      if (traffic.lost > 0) findings.failed(fullDisk.name, `${traffic.lost} sessions were lost`);
      findings.failed(fullDisk.name, ...(await traffic.reckon()));
      findings.tried('messages accepted', traffic.source.countOf('accepted'));
    } finally {
      await traffic.close();
    }
  },
};

async function filled(traffic: Traffic, findings: Findings): Promise<void> {
  const { source, sink, product } = traffic;
  const [refused, delivered] = [source.countOf('refused'), sink.copies.length];
  const end = performance.now() + FULL_FOR;
  do {
    // What is removed makes room, which others on the disk take.
    fill(product.spool, 0);
    await pause(50);
  } while (performance.now() < end);
  await until('refusals on a full disk', () => source.countOf('refused') >= refused + REFUSALS);
  await until('deliveries on a full disk', () => sink.copies.length >= delivered + GOING_ON);
  const other = [...source.fates.values()].find((fate) => fate.kind === 'refused' && fate.code !== 452);
  if (other !== undefined) findings.failed(fullDisk.name, `refused with other words: ${JSON.stringify(other)}`);
  await makeRoom(product.spool);
  await traffic.flows('with room again');
  findings.tried('disks filled to the last page');
  findings.tried('messages refused for want of room', source.countOf('refused') - refused);
}

/** The guard has let it in; then there is no room for the rest of it. */
async function filledInContent(traffic: Traffic, { seed }: SuiteContext, findings: Findings): Promise<void> {
  const { product } = traffic;
  const client = await LineClient.greeted(product.smtpPort);
  for (const command of ['MAIL FROM:<half@client.test>', `RCPT TO:<half${seed}@site0.test>`, 'DATA']) {
    const { code, text } = await client.say(command);
    if (code !== 250 && code !== 354) throw new Error(`${command} was answered with ${text}`);
  }
  client.write('Subject: half\r\n\r\n');
  for (let part = 0; part < PARTS; part += 1) {
    client.write(PART);
    // Behind the first of them the content goes to a file.
    if (part > 0) fill(product.spool, 0);
    await pause(BETWEEN_PARTS);
  }
  const { code, text } = await client.say('.');
  if (code !== 452) findings.failed(fullDisk.name, `full in the middle of a message, and answered with ${text}`);
  // The session lives on, and says the same to the next.
  const next = await client.say('MAIL FROM:<next@client.test>');
  if (![250, 452].includes(next.code)) findings.failed(fullDisk.name, `after that MAIL was answered with ${next.text}`);
  client.close();
  await makeRoom(product.spool);
  await traffic.flows('with room again');
  findings.tried('disks filled in the middle of a message');
}
