/** The LMDB spool keeps the contract. */

import { spoolContract } from '../spool.contract.ts';
import { crashing } from './scratch.contract.ts';

spoolContract('lmdb', crashing);
