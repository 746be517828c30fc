/** What is wrong between options of signing. */

import { type Problem } from '../lib/schema-reading.ts';
import { type SigningOptions } from '../mailauth/config.ts';
import { repeated, wrong } from './problems.ts';

interface Signs {
  readonly signing: SigningOptions;
}

export function signingKeysAreNamedOnce({ signing }: Signs): readonly Problem[] {
  return repeated(signing.keys.map(({ domain, selector }) => `${selector}._domainkey.${domain}`)).map(([i, name]) =>
    wrong(`signing.keys[${i}].selector`, `another key is called ${name} too`, 'give each a selector of its own'),
  );
}

export function signingRulesMatch({ signing }: Signs): readonly Problem[] {
  return signing.rules.flatMap(({ senders, domains }, i) => {
    const path = `signing.rules[${i}]`;
    const nobody =
      senders.length === 0 ? [wrong(`${path}.senders`, 'it matches nobody', "write domains or addresses, or '*'")] : [];
    if (domains?.length !== 0) return nobody;
    return [...nobody, wrong(`${path}.domains`, 'no domain would sign', 'name one, or write sign: false')];
  });
}
