/**
 * Signs mail by DKIM (RFC 6376, 8301, 8463): who signs a message is decided when its header section is complete, its body is
 * hashed while it comes, and the keys are used at its end, those that take long on the threads of the system's pool.
 *
 * Nothing may change a message behind this: it is the last that is done to the header section, and what is pushed is
 * what is stored.
 */

import { type KeyObject, sign } from 'node:crypto';
import { parseAddressList } from '../mail/address-list.ts';
import { fieldValue, hasStrayLine, headerEnd, type HeaderField, headerFields } from '../mail/header.ts';
import { parseMailbox, formatMailbox } from '../mail/path.ts';
import { BodyHash } from '../mailauth/dkim/body-hash.ts';
import { signedNames } from '../mailauth/dkim/header-selection.ts';
import {
  type Canonicalizations,
  fieldBeginning,
  signatureInput,
  type SignatureTags,
  signedField,
  signedFieldOctets,
  signedFields,
  signedOctets,
  unsignedField,
} from '../mailauth/dkim/signature-field.ts';
import { type Duration, type Instant, SECOND } from '../lib/time.ts';
import { type KeyDirectory, type SigningKey, SigningKeys } from './signing-keys.ts';

export interface SigningForm {
  readonly canonicalization: Canonicalizations;
  /** Fields that are signed beside the usual ones. */
  readonly fields: readonly string[];
}

export interface SigningRule extends SigningForm {
  /** Of the author's address; `''` where there is none that can be read. */
  readonly matches: (author: string) => boolean;
  /** Undefined: that of the author. */
  readonly domains: readonly string[] | undefined;
  readonly sign: boolean;
}

/** The configuration of signing, compiled. */
export interface SigningSettings {
  readonly keys: readonly SigningKey[];
  /** The first that matches holds. */
  readonly rules: readonly SigningRule[];
  /** Where none does. */
  readonly form: SigningForm;
  readonly expireAfter: Duration | undefined;
}

/** Why a message that is to be signed is not. `lasting`: it never will be. */
export interface SigningFault {
  readonly kind: 'fault';
  readonly reason: string;
  readonly lasting: boolean;
}

/** Undefined when nobody could sign: then nothing is looked at for it. */
export function activeSigner(settings: SigningSettings, directory?: KeyDirectory): Signer | undefined {
  const { keys, rules } = settings;
  const active = directory !== undefined || keys.length > 0 || rules.some(({ sign }) => sign);
  return active ? new Signer(settings, directory) : undefined;
}

// Of a From field with more, none could be shown to a reader.
const MAX_AUTHORS = 100;

export class Signer {
  readonly #settings: SigningSettings;
  readonly #keys: SigningKeys;

  constructor(settings: SigningSettings, directory?: KeyDirectory) {
    this.#settings = settings;
    this.#keys = new SigningKeys(settings.keys, directory);
  }

  /**
   * `section`: the header section as it will be stored, with its empty line. `may`: whether who sends it may do so as this author; a
   * signature says that the domain answers for it. Undefined: nobody signs.
   */
  begin(section: Buffer, now: Instant, may: (author: string) => boolean = anybody): Signing | SigningFault | undefined {
    const fields = headerFields(section, Infinity);
    const authors = fields.filter(({ name }) => name === 'from');
    const author = authorOf(section, authors);
    const rule = this.#settings.rules.find(({ matches }) => matches(author));
    if (rule?.sign === false) return undefined;
    try {
      const keys = this.#keysFor(author, rule?.domains);
      if (keys.length === 0) return undefined;
      const obstacle = obstacleIn(section, fields, authors.length) ?? (may(author) ? undefined : notTheirs(author));
      if (obstacle !== undefined) return { kind: 'fault', reason: obstacle, lasting: true };
      const { canonicalization, fields: more } = rule ?? this.#settings.form;
      const header = { section, fields, canonicalization, names: signedNames(fields, more) };
      return new Signing(header, keys, this.#times(now));
    } catch (error) {
      return { kind: 'fault', reason: reasonOf(error), lasting: false };
    }
  }

  /** A whole message, for those that are made here; itself when nobody signs. Rejects with a reason. */
  async sign(octets: Buffer, now: Instant): Promise<Buffer> {
    const end = headerEnd(octets);
    const section = end === -1 ? octets : octets.subarray(0, end);
    const signing = this.begin(section, now);
    if (signing === undefined) return octets;
    if (signing.kind === 'fault') throw new Error(signing.reason);
    signing.push(octets.subarray(section.length));
    return Buffer.concat([await signing.finish(), octets]);
  }

  #keysFor(author: string, domains: readonly string[] | undefined): readonly SigningKey[] {
    if (domains === undefined) return this.#keys.of(author.slice(author.lastIndexOf('@') + 1));
    return domains.flatMap((domain) => {
      const keys = this.#keys.of(domain);
      if (keys.length === 0) throw new Error(`${domain} is to sign by signing.rules, and has no key`);
      return keys;
    });
  }

  #times(now: Instant): Times {
    const { expireAfter } = this.#settings;
    const signedAt = Math.floor(now / SECOND);
    return { signedAt, expiresAt: expireAfter === undefined ? undefined : signedAt + Math.ceil(expireAfter / SECOND) };
  }
}

type Times = Pick<SignatureTags, 'signedAt' | 'expiresAt'>;

interface Header extends Pick<SignatureTags, 'canonicalization' | 'names'> {
  readonly section: Buffer;
  readonly fields: readonly HeaderField[];
}

/** One signature. */
interface Plan {
  readonly key: SigningKey;
  readonly beginning: string;
}

/** The signatures of one message, being made. */
export class Signing {
  readonly kind = 'signing';
  /** Of all fields together: so much room they need in front of the header section. */
  readonly octets: number;
  /** `d=example.com s=2026a, …` */
  readonly by: string;
  readonly #header: Header;
  readonly #plans: readonly Plan[];
  readonly #body: BodyHash;

  constructor(header: Header, keys: readonly SigningKey[], times: Times) {
    this.#header = header;
    this.#plans = keys.map((key) => ({ key, beginning: fieldBeginning({ ...key, ...header, ...times }) }));
    this.octets = this.#plans.reduce((sum, { key, beginning }) => sum + signedFieldOctets(beginning, key.octets), 0);
    this.by = keys.map(({ domain, selector }) => `d=${domain} s=${selector}`).join(', ');
    this.#body = new BodyHash(header.canonicalization.body);
  }

  /** The next octets of the body; neither changed nor kept. */
  push(chunk: Buffer): void {
    this.#body.push(chunk);
  }

  /** The body is over: the fields, of `octets` octets. Rejects with a reason. */
  async finish(): Promise<Buffer> {
    const { section, fields, canonicalization } = this.#header;
    const bodyHash = this.#body.finish();
    const lines = signedFields(section, fields, this.#header);
    const made = this.#plans.map(async ({ key, beginning }) => {
      const unsigned = unsignedField(beginning, bodyHash);
      const signature = await signed(key, signedOctets(lines, unsigned, canonicalization.header));
      return signedField(unsigned, signature.toString('base64'));
    });
    const all = Buffer.from((await Promise.all(made)).join(''), 'latin1');
    if (all.length !== this.octets) throw new Error(`the signatures have ${all.length} octets, not ${this.octets}`);
    return all;
  }
}

/**
 * RSA on the pool. Ed25519 at once: it takes 0.04 ms, about what handing it over and coming back costs this thread, and
 * relaying mail signed by both took 0.1 CPU-ms more for each message when both went to the pool.
 */
async function signed({ algorithm, domain, key }: SigningKey, octets: Buffer): Promise<Buffer> {
  const input = signatureInput(algorithm, octets);
  try {
    return algorithm === 'rsa-sha256' ? await onPool(input, key) : sign(null, input, key);
  } catch (error) {
    throw new Error(`signing for ${domain} failed: ${reasonOf(error)}`, { cause: error });
  }
}

function onPool(octets: Buffer, key: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign('sha256', octets, key, (error, signature) => (error ? reject(error) : resolve(signature)));
  });
}

/** `''` when there is none that can be read. */
function authorOf(section: Buffer, authors: readonly HeaderField[]): string {
  const field = authors.at(-1);
  if (field === undefined) return '';
  const list = parseAddressList(fieldValue(section, field), MAX_AUTHORS);
  const mailbox = list.ok ? parseMailbox(list.value[0]?.address ?? '') : list;
  return mailbox.ok ? formatMailbox(mailbox.value) : '';
}

/** What readers of the message would not all read alike. */
function obstacleIn(section: Buffer, fields: readonly HeaderField[], authors: number): string | undefined {
  if (authors > 1) return 'it has more than one From field';
  if (authors === 0) return 'it has no From field';
  return hasStrayLine(section, fields) ? 'a line of its header section is no header field' : undefined;
}

function anybody(): boolean {
  return true;
}

function notTheirs(author: string): string {
  return `its From address${author === '' ? '' : `, ${author},`} is none that the user may send as`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
