/** The options of the sandbox: the small internet on loopback. They hold only with `serve --sandbox`. */

import { count, duration, type Values } from '../lib/schema.ts';

export const SANDBOX_OPTIONS = {
  keepMessages: count(1000, 'Messages kept by the simulated receivers; the oldest go first.', {
    min: 1,
    max: 1_000_000,
  }),
  greylistFor: duration('10s', 'How long `greylist.test` says "later" to a new sender and recipient.'),
};

export type SandboxOptions = Values<typeof SANDBOX_OPTIONS>;
