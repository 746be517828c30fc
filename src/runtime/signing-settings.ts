/** Turns the options of signing into what the signer takes; reads the files with keys. */

import { type DirectoryStore } from '../directory/directory.ts';
import { type SigningOptions } from '../mailauth/config.ts';
import { type Canonicalization } from '../mailauth/dkim/canonical-body.ts';
import { anyAddress } from '../mail/address-pattern.ts';
import { activeSigner, type Signer, type SigningSettings } from '../receive/signer.ts';
import { type SigningForm } from '../receive/signing-plans.ts';
import { type KeyDirectory, readSigningKey, type SigningKey } from '../receive/signing-keys.ts';
import { FileFault, readNamed } from './named-file.ts';

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
    keys: keys.map(signingKeyOf),
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

/** The `i`th of `signing.keys`. */
export function signingKeyOf({ file, ...named }: SigningOptions['keys'][number], i: number): SigningKey {
  const option = `signing.keys[${i}].file`;
  const key = readSigningKey({ ...named, privateKey: readNamed({ option, file }) });
  if (key.ok) return key.value;
  const what = `${file} cannot be used: ${key.reason}`;
  throw new FileFault(option, [what, 'name the file of the key, and its algorithm']);
}
