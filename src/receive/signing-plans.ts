/**
 * What the signatures of a message share with those of others: which fields are signed, and how each DKIM-Signature field
 * begins. It follows from the names of the header fields, the keys and the second, and so is made once for many messages.
 */

import { type Duration, type Instant, SECOND } from '../lib/time.ts';
import { type HeaderField } from '../mail/header.ts';
import { signedNames } from '../mailauth/dkim/header-selection.ts';
import {
  type Canonicalizations,
  fieldBeginning,
  type FieldText,
  type SignatureTags,
  signedFieldOctets,
} from '../mailauth/dkim/signature-field.ts';
import { type SigningKey } from './signing-keys.ts';

export interface SigningForm {
  readonly canonicalization: Canonicalizations;
  /** Fields that are signed beside the usual ones. */
  readonly fields: readonly string[];
}

export interface Plan extends Pick<SignatureTags, 'canonicalization' | 'names'> {
  readonly form: SigningForm;
  readonly signatures: readonly { readonly key: SigningKey; readonly beginning: FieldText }[];
  /** Of all fields together. */
  readonly octets: number;
  /** `d=example.com s=2026a, …` */
  readonly by: string;
}

interface Times {
  readonly now: Instant;
  /** Not before: later than now where the message is to be sent later. */
  readonly sentFrom: Instant;
}

/** Plans of one second; whoever sends other header sections all the time has each of them made for itself. */
const MAX_PLANS = 100;
/** Of all names of a header section; more than that is not kept. */
const MAX_NAMES = 1000;

export class Plans {
  readonly #expireAfter: Duration | undefined;
  /** By the names of the header fields. */
  readonly #made = new Map<string, Plan>();
  #second = 0;

  constructor(expireAfter: Duration | undefined) {
    this.#expireAfter = expireAfter;
  }

  planFor(fields: readonly HeaderField[], keys: readonly SigningKey[], form: SigningForm, times: Times): Plan {
    const second = Math.floor(times.now / SECOND);
    const from = Math.max(second, Math.floor(times.sentFrom / SECOND));
    if (second !== this.#second) this.#made.clear();
    this.#second = second;
    let id = from === second ? '' : `${from} `;
    id += keys[0]?.domain ?? '';
    for (const { name } of fields) id += `:${name}`;
    const known = this.#made.get(id);
    if (known !== undefined && known.form === form && isFor(known, keys)) return known;
    const plan = this.#make(fields, keys, form, from);
    if (this.#made.size >= MAX_PLANS) this.#made.clear();
    if (id.length <= MAX_NAMES) this.#made.set(id, plan);
    return plan;
  }

  #make(fields: readonly HeaderField[], keys: readonly SigningKey[], form: SigningForm, from: number): Plan {
    const { canonicalization, fields: more } = form;
    const names = signedNames(fields, more);
    const tags = { canonicalization, names, ...this.#times(from) };
    const signatures = keys.map((key) => ({ key, beginning: fieldBeginning({ ...key, ...tags }) }));
    const octets = signatures.reduce((sum, { key, beginning }) => sum + signedFieldOctets(beginning, key.octets), 0);
    const by = keys.map(({ domain, selector }) => `d=${domain} s=${selector}`).join(', ');
    return { form, signatures, canonicalization, names, octets, by };
  }

  /** `from`: the second from which the message may be sent; a signature must not end before. */
  #times(from: number): Pick<SignatureTags, 'signedAt' | 'expiresAt'> {
    const expireAfter = this.#expireAfter;
    const expiresAt = expireAfter === undefined ? undefined : from + Math.ceil(expireAfter / SECOND);
    return { signedAt: this.#second, expiresAt };
  }
}

/** A key that is changed is another object under the same name. */
function isFor({ signatures }: Plan, keys: readonly SigningKey[]): boolean {
  return signatures.length === keys.length && signatures.every(({ key }, i) => key === keys[i]);
}
