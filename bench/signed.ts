/**
 * The workload `signed`: mail is relayed on reused connections, unsigned, and signed by each algorithm and by both. Beside
 * it, what an RSA signature costs alone, and both at one pace: on a machine whose cores are shared it varies by a half from
 * hour to hour.
 */

import { fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PostriderConfig } from '../src/config/config.ts';
import { removeFolder, testFolder } from '../test/lib/processes.ts';
import { type Build } from './build.ts';
import { type Figures } from './measure.ts';
import { type Sink } from './postfix-tools.ts';
import { type Product, startProduct } from './servers.ts';

/** Of `smtp-source`, see `postfix-tools.ts`. */
const DOMAIN = 'bench.test';
const MINUTE = 60_000;

export interface SignedProducts {
  readonly products: ReadonlyMap<string, Product>;
  stop(): Promise<void>;
}

export async function startSigned(build: Build, sink: Sink, profile: string | undefined): Promise<SignedProducts> {
  const folder = await testFolder('bench-keys');
  const rsa = keyIn(folder, 'rsa-sha256');
  const ed25519 = keyIn(folder, 'ed25519-sha256');
  const forms = { unsigned: [], rsa: [rsa], ed25519: [ed25519], both: [rsa, ed25519] };
  const products = new Map<string, Product>();
  for (const [name, keys] of Object.entries(forms)) {
    const options = { build: build.folder, sinkPort: sink.port, profile };
    products.set(name, await startProduct({ ...options, config: { signing: { keys } } }));
  }
  return {
    products,
    stop: async () => {
      for (const product of products.values()) await product.stop();
      await removeFolder(folder);
    },
  };
}

/** In a process that does nothing else. */
export interface SignatureCost {
  readonly perSecond: number;
  readonly cpuMs: number;
}

/** Of a signature by a key of 2,048 bits. */
export function measureRsa(): Promise<Figures> {
  return costIn('rsa.ts');
}

/** Of one by each algorithm, at one pace. */
export function measureBothAlone(): Promise<Figures> {
  return costIn('signatures.ts');
}

async function costIn(script: string): Promise<Figures> {
  const child = fork(join(import.meta.dirname, 'children', script), { execArgv: [] });
  const [cost] = (await once(child, 'message', { signal: AbortSignal.timeout(MINUTE) })) as [SignatureCost];
  return { ...cost };
}

type WrittenKey = NonNullable<NonNullable<PostriderConfig['signing']>['keys']>[number];

function keyIn(folder: string, algorithm: 'rsa-sha256' | 'ed25519-sha256'): WrittenKey {
  const { privateKey } =
    algorithm === 'rsa-sha256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519');
  const file = join(folder, `${algorithm}.pem`);
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return { domain: DOMAIN, selector: algorithm, algorithm, file };
}
