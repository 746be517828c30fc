/** A route that refuses, with the operator's words: 4xx defers, 5xx fails. */

import { type Outcome } from '../mail/outcome.ts';
import { type EnhancedStatus } from '../mail/reply.ts';
import { type FailRoute } from '../mail/route.ts';
import { type Dispatch } from '../queue/dispatch.ts';
import { ourOutcome, sameForAll } from './report.ts';

export function refuseByRoute(dispatch: Dispatch & { readonly route: FailRoute }): readonly Outcome[] {
  const { code, status, text } = dispatch.route;
  const kind = code >= 500 ? 'failed' : 'deferred';
  return sameForAll(dispatch, ourOutcome(statusOf(code, status), text, { kind, scope: 'site', cause: 'policy' }));
}

/** The code decides; a status of another class, or none at all, is mended. */
function statusOf(code: number, status: string): EnhancedStatus {
  const [, subject = '0', detail = '0'] = /^[245]\.([0-9]{1,3})\.([0-9]{1,3})$/.exec(status) ?? [];
  return `${code >= 500 ? 5 : 4}.${Number(subject)}.${Number(detail)}`;
}
