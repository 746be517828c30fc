/**
 * What an open connection proved, and whether that is enough for a message.
 *
 * A connection is shared by messages of different domains and tenants. Each brings its own requirement, and
 * rides only if the connection has already proved it: nothing is taken on trust because an earlier message
 * was content with less.
 */

import { type TlsLevel } from '../../mail/route.ts';
import { type Credentials } from '../../wire/smtp/client-login.ts';

export interface Proof {
  readonly protocol: 'smtp' | 'lmtp';
  /** As it was dialled: a host name, or the path of a socket. */
  readonly host: string;
  /** Textual IP address; `''` for a local socket. */
  readonly address: string;
  readonly port: number;
  readonly tls: TlsProof | undefined;
  /** What the server took our login by. */
  readonly credentials: Credentials | undefined;
}

export interface TlsProof {
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384` */
  readonly name: string;
  /** The certificate is valid for `host`, by the authorities that we trust. */
  readonly verified: boolean;
}

export interface Requirement {
  readonly protocol: 'smtp' | 'lmtp';
  /** Hosts that may get the message. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly tls: TlsLevel;
  readonly credentials: Credentials | undefined;
}

export function satisfies(proof: Proof, requirement: Requirement): boolean {
  return (
    proof.protocol === requirement.protocol &&
    proof.port === requirement.port &&
    requirement.hosts.includes(proof.host) &&
    sameCredentials(proof.credentials, requirement.credentials) &&
    isSecureEnough(proof.tls, requirement.tls)
  );
}

/** Also none is a credential: mail of somebody who has no login must not go out as somebody who has one. */
function sameCredentials(proved: Credentials | undefined, wanted: Credentials | undefined): boolean {
  return proved?.user === wanted?.user && proved?.password === wanted?.password;
}

function isSecureEnough(tls: TlsProof | undefined, level: TlsLevel): boolean {
  switch (level) {
    case 'none':
    case 'opportunistic':
      return true;
    case 'encrypt':
      return tls !== undefined;
    case 'verify':
      return tls?.verified === true;
    case 'dane':
      return false;
  }
}
