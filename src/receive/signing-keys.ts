/**
 * The keys that sign, ready for use: read once, since that costs as much as a signature does.
 *
 * Some are named in the configuration, others are in the directory; a domain may have both.
 */

import { createPrivateKey, type KeyObject } from 'node:crypto';
import { type SigningKeyRecord } from '../directory/directory.ts';
import { Lru } from '../lib/lru.ts';
import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { type Domain } from '../mail/domain.ts';
import { type SigningAlgorithm } from '../mailauth/dkim/signature-field.ts';

export interface SigningKey {
  /** The SDID. */
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: SigningAlgorithm;
  readonly key: KeyObject;
  /** Of each signature. */
  readonly octets: number;
}

export type KeySource = Pick<SigningKeyRecord, 'selector' | 'algorithm' | 'privateKey'> & { readonly domain: string };

const ED25519_OCTETS = 64;
// RFC 8301 §3.2: verifiers take no signature of a shorter key.
const LEAST_RSA_BITS = 1024;
/** Domains of the directory; the others are read again when they send. */
const REMEMBERED = 10_000;

export function readSigningKey({ domain, selector, algorithm, privateKey }: KeySource): Parsed<SigningKey> {
  const key = keyOf(privateKey);
  if (!key.ok) return key;
  const octets = signatureOctets(key.value, algorithm);
  return octets.ok ? parsed({ domain, selector, algorithm, key: key.value, octets: octets.value }) : octets;
}

function keyOf(pem: string): Parsed<KeyObject> {
  try {
    return parsed(createPrivateKey(pem));
  } catch {
    // What the library says names no cause that a person could use.
    return unparsed('it is no private key in PEM form without a passphrase');
  }
}

function signatureOctets(key: KeyObject, algorithm: SigningAlgorithm): Parsed<number> {
  const type = key.asymmetricKeyType;
  const wanted = algorithm === 'rsa-sha256' ? 'rsa' : 'ed25519';
  if (type !== wanted) return unparsed(`it is a key for ${String(type)}, and ${algorithm} needs one for ${wanted}`);
  if (type === 'ed25519') return parsed(ED25519_OCTETS);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < LEAST_RSA_BITS) return unparsed(`it has ${bits} bits, and verifiers take none below ${LEAST_RSA_BITS}`);
  return parsed(Math.ceil(bits / 8));
}

/** The part of the directory that has keys. */
export interface KeyDirectory {
  signingKeys(domain: Domain): readonly KeySource[];
}

export class SigningKeys {
  readonly #configured = new Map<string, SigningKey[]>();
  readonly #directory: KeyDirectory | undefined;
  readonly #read = new Lru<string, { readonly pem: string; readonly key: SigningKey }>(REMEMBERED);

  constructor(configured: readonly SigningKey[], directory?: KeyDirectory) {
    this.#directory = directory;
    for (const key of configured) {
      const same = this.#configured.get(key.domain);
      if (same === undefined) this.#configured.set(key.domain, [key]);
      else same.push(key);
    }
  }

  /** Throws, with a reason, when there is one that cannot be used. */
  of(domain: string): readonly SigningKey[] {
    const configured = this.#configured.get(domain) ?? [];
    const stored = this.#directory?.signingKeys(domain as Domain) ?? [];
    return stored.length === 0 ? configured : [...configured, ...stored.map((source) => this.#ready(source))];
  }

  #ready(source: KeySource): SigningKey {
    const name = `${source.selector}._domainkey.${source.domain}`;
    const known = this.#read.get(name);
    if (known?.pem === source.privateKey) return known.key;
    const key = readSigningKey(source);
    if (!key.ok) throw new Error(`the key ${name} cannot be used: ${key.reason}`);
    this.#read.set(name, { pem: source.privateKey, key: key.value });
    return key.value;
  }
}
