/** Delivery to nobody. The message is gone, by the operator's rule and not by accident, and says so. */

import { type Outcome } from '../mail/outcome.ts';
import { type Dispatch } from '../queue/dispatch.ts';
import { deliveredHere, sameForAll } from './report.ts';

export function discard(dispatch: Dispatch): readonly Outcome[] {
  return sameForAll(dispatch, deliveredHere(`discarded by route ${dispatch.route.name}`));
}
