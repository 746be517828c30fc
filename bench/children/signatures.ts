/**
 * A process of its own: what the two signatures of a message cost at the pace of `signed-steady` in a process that does nothing
 * else, beyond what the pace costs. RSA is signed on the thread pool, Ed25519 in the thread itself, as the product does.
 */

import { generateKeyPairSync, sign } from 'node:crypto';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { type SignatureCost } from '../signed.ts';

const WARM_UP = 300;
const MESSAGES = 1000;
/** Milliseconds between two of them. */
const PACE = 2;
/** What is signed of a message of 4 KiB. */
const OCTETS = 700;

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ed25519 = generateKeyPairSync('ed25519').privateKey;
const octets = Buffer.alloc(OCTETS, 'x');

await paced(WARM_UP, signBoth);
const alone = await paced(MESSAGES, () => undefined);
const begun = performance.now();
const signed = await paced(MESSAGES, signBoth);
const perSecond = (MESSAGES / (performance.now() - begun)) * 1000;
process.send?.({ perSecond, cpuMs: signed - alone } satisfies SignatureCost);

/** CPU ms of each. */
async function paced(messages: number, act: () => void | Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < messages; i += 1) {
    await pause(PACE);
    await act();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / messages;
}

function signBoth(): Promise<void> {
  const made = new Promise<void>((resolve, reject) => {
    sign('sha256', octets, rsa, (error) => (error ? reject(error) : resolve()));
  });
  sign(null, octets, ed25519);
  return made;
}
