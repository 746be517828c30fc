/**
 * A process to be killed: accepts, moves and ends messages in the spool named by its argument, and writes what was
 * acknowledged to its standard output, a line each, after the call resolved.
 */

import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { entry, EPOCH, idOf, message, settlement } from '../spool.fixtures.contract.ts';
import { HandTimers, KeptLog } from './scratch.contract.ts';
import { openLmdbSpool } from './open.ts';

const [folder = '', from = '0'] = process.argv.slice(2);
const timers = new HandTimers();
const spool = await openLmdbSpool({ folder, log: new KeptLog(), timers, onBroken: () => process.exit(70) });
const say = (what: string, n: number): number => writeSync(1, `${what} ${n}\n`);

async function live(n: number): Promise<void> {
  const content = Buffer.alloc(n % 10 === 0 ? 300 * 1024 : 3000, `${n}.`);
  await spool.accept([message(n, { content, events: [`{"accepted":${n}}`] })], EPOCH);
  say('accepted', n);
  if (n % 3 === 0) return;
  await spool.settle(settlement({ put: [entry(`${idOf(n)}/0`, { lane: 'deferred', dueAt: n })] }), EPOCH);
  say('moved', n);
  if (n % 3 === 1) return;
  await spool.settle(settlement({ remove: [`${idOf(n)}/0`] }), EPOCH);
  say('ended', n);
}

say('ready', 0);
for (let n = Number(from); ; n++) {
  void live(n);
  if (n % 8 === 0) await sleep(1);
}
