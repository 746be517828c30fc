/** Turns the options of signing into what the signer takes; reads the files with keys. */

import { readFileSync } from 'node:fs';
import { errorText } from '../lib/error-text.ts';
import { type DirectoryStore } from '../directory/directory.ts';
import { type SigningOptions } from '../mailauth/config.ts';
import { type Canonicalization } from '../mailauth/dkim/canonical-body.ts';
import { anyAddress } from '../mail/address-pattern.ts';
import { activeSigner, type Signer, type SigningSettings } from '../receive/signer.ts';
import { type SigningForm } from '../receive/signing-plans.ts';
import { type KeyDirectory, readSigningKey, type SigningKey } from '../receive/signing-keys.ts';

/** Where no domain of the directory has a key nothing is looked at for one. */
export function signerOf(
  signing: SigningSettings,
  directory: (KeyDirectory & Pick<DirectoryStore, 'signs'>) | undefined,
): Signer | undefined {
  return activeSigner(signing, directory?.signs === true ? directory : undefined);
}

/** Throws, with what to do, when a key cannot be used. */
export function signingSettings({ keys, rules, expireAfter, ...usual }: SigningOptions): SigningSettings {
  return {
    keys: keys.map(keyOf),
    rules: rules.map(({ senders, sign, domains, ...form }) => ({
      ...{ matches: anyAddress(senders), sign, domains },
      ...formOf({ ...form, fields: [...usual.fields, ...form.fields] }),
    })),
    form: formOf(usual),
    expireAfter,
  };
}

type WrittenForm = Pick<SigningOptions, 'canonicalization' | 'fields'>;

function formOf({ canonicalization, fields }: WrittenForm): SigningForm {
  const [header, body] = canonicalization.split('/') as [Canonicalization, Canonicalization];
  return { canonicalization: { header, body }, fields };
}

function keyOf({ file, ...named }: SigningOptions['keys'][number], i: number): SigningKey {
  const key = readSigningKey({ ...named, privateKey: contentOf(file, i) });
  if (key.ok) return key.value;
  throw new Error(
    `signing.keys[${i}].file: ${file} cannot be used: ${key.reason}; name the file of the key, and its algorithm`,
  );
}

function contentOf(file: string, i: number): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const why = errorText(error);
    throw new Error(`signing.keys[${i}].file: cannot be read: ${why}`, { cause: error });
  }
}
