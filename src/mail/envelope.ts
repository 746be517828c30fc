/** The envelope of a message as values (RFC 5321 §2.3.1, RFC 3461 §4, RFC 6152, RFC 3030, RFC 6531). */

import { type Mailbox, type ReversePath } from './path.ts';
import { type DeliverBy } from './sending-times.ts';

export type BodyType = '7BIT' | '8BITMIME' | 'BINARYMIME';

/** `NOTIFY=` of RFC 3461 §4.1. `['NEVER']` stands alone. */
export type Notify = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY';

/** What MAIL says of a message, before anything is known of its content. */
export interface SenderParameters {
  readonly reversePath: ReversePath;
  readonly body: BodyType;
  readonly smtpUtf8: boolean;
  readonly ret: 'FULL' | 'HDRS' | undefined;
  /** xtext octet for octet as received (RFC 3461 §4.4); at most 100 characters. */
  readonly envid: string | undefined;
  /** REQUIRETLS (RFC 8689 §2): over TLS to a known server, all the way, or back. */
  readonly requireTls?: boolean;
  /** `TLS-Required: No` (RFC 8689 §3): what receivers publish of TLS may be set aside. */
  readonly tlsOptional?: boolean;
  /** DELIVERBY (RFC 2852). */
  readonly deliverBy?: DeliverBy;
  /** MT-PRIORITY (RFC 6710), of a client that may say so. */
  readonly priority?: number;
}

export interface Recipient {
  readonly forwardPath: Mailbox;
  /** `addr-type;xtext` octet for octet as received (RFC 3461 §4.2). */
  readonly orcpt: string | undefined;
  readonly notify: readonly Notify[] | undefined;
}

/** The client that gave us the message. */
export interface Client {
  /** Textual IP address; empty for mail that was made here. */
  readonly address: string;
  readonly port: number;
  readonly helloName: string;
  readonly protocol: 'SMTP' | 'ESMTP' | 'LMTP' | 'HTTP' | 'LOCAL';
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or absent in clear text. */
  readonly tls: string | undefined;
  readonly listener: string;
  /** Who it had logged in as. */
  readonly user?: string;
}

export interface Envelope extends SenderParameters {
  readonly client: Client;
  readonly tenant: string;
  readonly campaign: string;
  /** What its sender calls it: words to find it by, in events only. */
  readonly tags?: readonly string[];
  /** The sender's own name for the message, in events only. */
  readonly trackingId?: string;
}
