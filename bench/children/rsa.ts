/** A process of its own: what an RSA signature costs on the thread pool of a process that does nothing else. */

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import process from 'node:process';
import { type SignatureCost } from '../signed.ts';

const WARM_UP = 500;
const SIGNATURES = 2000;
/** As many as the load has sessions. */
const AT_ONCE = 20;
/** What is signed of a message of 4 KiB. */
const OCTETS = 700;

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
await run(privateKey, WARM_UP);
const before = { cpu: process.cpuUsage(), at: performance.now() };
await run(privateKey, SIGNATURES);
const { user, system } = process.cpuUsage(before.cpu);
const elapsed = performance.now() - before.at;
const cost = { perSecond: (SIGNATURES / elapsed) * 1000, cpuMs: (user + system) / 1000 / SIGNATURES };
process.send?.(cost satisfies SignatureCost);

async function run(key: KeyObject, signatures: number): Promise<void> {
  const octets = Buffer.alloc(OCTETS, 'x');
  let left = signatures;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      sign('sha256', octets, key, (error) => (error ? reject(error) : resolve()));
    });
  const session = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await one();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, session));
}
