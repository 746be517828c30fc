/**
 * Signs mail by DKIM (RFC 6376, 8301, 8463): who signs a message is decided when its header section is complete, its body is
 * hashed while it comes, and the keys are used at its end, those that take long on the threads of the system's pool.
 *
 * Nothing may change a message behind this: it is the last that is done to the header section, and what is pushed is
 * what is stored.
 */

import { type KeyObject, sign } from 'node:crypto';
import { errorText } from '../lib/error-text.ts';
import { headerEnd, type HeaderField } from '../mail/header.ts';
import { HeaderSection } from '../mail/header-section.ts';
import { parseMailbox, formatMailbox } from '../mail/path.ts';
import { BodyHash } from '../mailauth/dkim/body-hash.ts';
import {
  signatureInput,
  signedField,
  signedFields,
  signedOctets,
  unsignedField,
} from '../mailauth/dkim/signature-field.ts';
import { type Duration, type Instant } from '../lib/time.ts';
import { type KeyDirectory, type SigningKey, SigningKeys } from './signing-keys.ts';
import { type Plan, Plans, type SigningForm } from './signing-plans.ts';

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

/** What is known of a message beside its header section. */
export interface SignedMail {
  /** Whether who sends it may do so as this author; a signature says that the domain answers for it. Absent: he may. */
  readonly may?: ((author: string) => boolean) | undefined;
  /** Mail of other authors goes out as it is. Absent: of none. */
  readonly onlyOf?: ((author: string) => boolean) | undefined;
  /** Later than now where it is to be sent later: `x=` is counted from then. */
  readonly sentFrom?: Instant | undefined;
}

// Of a From field with more, none could be shown to a reader.
const MAX_AUTHORS = 100;

export class Signer {
  readonly #settings: SigningSettings;
  readonly #keys: SigningKeys;
  readonly #plans: Plans;

  constructor(settings: SigningSettings, directory?: KeyDirectory) {
    this.#settings = settings;
    this.#keys = new SigningKeys(settings.keys, directory);
    this.#plans = new Plans(settings.expireAfter);
  }

  /** `section`: the header section as it will be stored, with its empty line. Undefined: nobody signs. */
  begin(section: HeaderSection, now: Instant, mail: SignedMail = {}): Signing | SigningFault | undefined {
    const { may, onlyOf, sentFrom } = completed(mail, now);
    const { octets, fields } = section;
    const authors = fields.filter(({ name }) => name === 'from');
    const author = authorOf(section, authors);
    const rule = this.#settings.rules.find(({ matches }) => matches(author));
    if (rule?.sign === false || !onlyOf(author)) return undefined;
    try {
      const keys = this.#keysFor(author, rule?.domains);
      if (keys.length === 0) return undefined;
      const obstacle = obstacleIn(section, authors.length) ?? (may(author) ? undefined : notTheirs(author));
      if (obstacle !== undefined) return { kind: 'fault', reason: obstacle, lasting: true };
      return new Signing(
        octets,
        fields,
        this.#plans.planFor(fields, keys, rule ?? this.#settings.form, { now, sentFrom }),
      );
    } catch (error) {
      return { kind: 'fault', reason: errorText(error), lasting: false };
    }
  }

  /** A whole message, for those that are made here; itself when nobody signs. Rejects with a reason. */
  async sign(octets: Buffer, now: Instant): Promise<Buffer> {
    const end = headerEnd(octets);
    const section = end === -1 ? octets : octets.subarray(0, end);
    const signing = this.begin(new HeaderSection(section), now);
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
}

/** The signatures of one message, being made. */
export class Signing {
  readonly kind = 'signing';
  /** Of all fields together: so much room they need in front of the header section. */
  readonly octets: number;
  /** `d=example.com s=2026a, …` */
  readonly by: string;
  readonly #section: Buffer;
  readonly #fields: readonly HeaderField[];
  readonly #plan: Plan;
  readonly #body: BodyHash;

  constructor(section: Buffer, fields: readonly HeaderField[], plan: Plan) {
    this.#section = section;
    this.#fields = fields;
    this.#plan = plan;
    this.octets = plan.octets;
    this.by = plan.by;
    this.#body = new BodyHash(plan.canonicalization.body);
  }

  /** The next octets of the body; neither changed nor kept. */
  push(chunk: Buffer): void {
    this.#body.push(chunk);
  }

  /** The body is over: the fields, of `octets` octets. Rejects with a reason. */
  async finish(): Promise<Buffer> {
    const { canonicalization, signatures } = this.#plan;
    const bodyHash = this.#body.finish();
    const lines = signedFields(this.#section, this.#fields, this.#plan);
    const made = signatures.map(async ({ key, beginning }) => {
      const unsigned = unsignedField(beginning, bodyHash, canonicalization.header);
      const signature = await signed(key, signedOctets(lines, unsigned));
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
    throw new Error(`signing for ${domain} failed: ${errorText(error)}`, { cause: error });
  }
}

function onPool(octets: Buffer, key: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign('sha256', octets, key, (error, signature) => (error ? reject(error) : resolve(signature)));
  });
}

/** `''` when there is none that can be read. */
function authorOf(section: HeaderSection, authors: readonly HeaderField[]): string {
  const field = authors.at(-1);
  if (field === undefined) return '';
  const list = section.addresses(field);
  if (!list.ok || list.value.length > MAX_AUTHORS) return '';
  const mailbox = parseMailbox(list.value[0]?.address ?? '');
  return mailbox.ok ? formatMailbox(mailbox.value) : '';
}

/** What readers of the message would not all read alike. */
function obstacleIn({ hasStrayLine }: HeaderSection, authors: number): string | undefined {
  if (authors > 1) return 'it has more than one From field';
  if (authors === 0) return 'it has no From field';
  return hasStrayLine ? 'a line of its header section is no header field' : undefined;
}

function completed({ may = anybody, onlyOf = anybody, sentFrom }: SignedMail, now: Instant) {
  return { may, onlyOf, sentFrom: sentFrom ?? now };
}

function anybody(): boolean {
  return true;
}

function notTheirs(author: string): string {
  return `its From address${author === '' ? '' : `, ${author},`} is none that the user may send as`;
}
