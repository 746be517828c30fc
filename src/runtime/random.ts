/** Real chance. Not for secrets: it spreads retries and picks among equals. */

import { type Random } from '../ports/random.ts';

export const systemRandom: Random = { next: () => Math.random() };
