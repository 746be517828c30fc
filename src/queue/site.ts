/** Where a routing domain leads: the answer to a resolution. Plain values: they cross threads. */

import { type EnhancedStatus } from '../mail/reply.ts';
import { type StsPolicy } from '../mail/sts-policy.ts';
import { type Host } from './dispatch.ts';

export type SiteAnswer =
  | {
      readonly kind: 'site';
      /** The sorted host names of the MX set joined with `,` (or the next hop's `host:port`): the site's identity. */
      readonly site: string;
      readonly hosts: readonly [Host, ...Host[]];
      /** Milliseconds for which this may be kept. */
      readonly ttl: number;
      readonly authenticated: boolean;
      /** The MTA-STS policy of the domain, as far as it says anything of these hosts. It filters hosts and never changes the site. */
      readonly sts?: StsPolicy | undefined;
    }
  /** Null MX, no such name, the best host is ourselves: every recipient fails. */
  | { readonly kind: 'failed'; readonly status: EnhancedStatus; readonly diagnostic: string; readonly ttl: number }
  | { readonly kind: 'deferred'; readonly status: EnhancedStatus; readonly diagnostic: string; readonly ttl: number };
