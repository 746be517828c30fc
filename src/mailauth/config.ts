/** The options of signing mail (RFC 6376). */

import { parsed, unparsed } from '../lib/parsed.ts';
import {
  checkedText,
  choice,
  duration,
  fileName,
  flag,
  group,
  list,
  optional,
  required,
  type Values,
} from '../lib/schema.ts';
import { addressPattern, domainName } from '../mail/config.ts';
import { NEVER_SIGNED } from './dkim/header-selection.ts';

const SELECTOR = /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)*$/i;
const MAX_SELECTOR = 100;

const selector = checkedText(
  '2026a',
  'Names the key among those of its domain: its record is `<selector>._domainkey.<domain>`.',
  {
    expected: 'letters, digits, - and _, in labels with dots between them',
    parse: (value) =>
      SELECTOR.test(value) && value.length <= MAX_SELECTOR ? parsed(value) : unparsed('no part of a domain name'),
  },
);

const headerFieldName = checkedText('X-Entity-Ref-ID', 'A name.', {
  expected: 'the name of a header field that does not change on the way',
  parse: (value) => {
    if (!/^[\x21-\x39\x3c-\x7e]{1,100}$/.test(value)) return unparsed('no name of a header field');
    return NEVER_SIGNED.has(value.toLowerCase())
      ? unparsed('it changes on the way, or is no part of what is sent')
      : parsed(value);
  },
});

const CANONICALIZATIONS = ['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple'] as const;

function canonicalization() {
  return choice(
    CANONICALIZATIONS,
    'relaxed/relaxed',
    'Which changes of white space on the way a signature bears, in the header section and in the body.',
  );
}

function fields(doc: string) {
  return list(headerFieldName, [], doc);
}

const KEY = group(
  {
    domain: required(domainName('example.com', 'Whose mail it signs.')),
    selector: required(selector),
    algorithm: choice(['rsa-sha256', 'ed25519-sha256'], 'rsa-sha256', 'What the key is for.'),
    file: required(fileName('/etc/postrider/dkim/2026a.pem', 'PEM file with the private key.')),
  },
  'A key.',
);

const RULE = group(
  {
    senders: required(
      list(addressPattern('.example.com', 'A pattern of the address in From.'), [], 'Whose mail it is for.'),
    ),
    sign: flag(true, 'Whether their mail is signed.'),
    domains: optional(
      list(
        domainName('example.com', 'A domain.'),
        [],
        'Which domains sign; a message is refused for now when one has no key. Not given: the domain in From, if it has keys.',
      ),
    ),
    canonicalization: canonicalization(),
    fields: fields('Header fields that are signed beside the usual ones.'),
  },
  'Mail that is signed otherwise.',
);

export const SIGNING_OPTIONS = {
  keys: list(
    KEY,
    [],
    'Keys that are kept in files. Each key of a domain signs: one for RSA and one for Ed25519 are usual.',
  ),
  rules: list(
    RULE,
    [],
    'Mail that is signed otherwise than by the keys of the domain in From. The first that matches holds.',
  ),
  canonicalization: canonicalization(),
  fields: fields('Header fields that are signed beside the usual ones, where they are there.'),
  expireAfter: optional(
    duration('14d', 'How long a signature says that it holds. Not given: it does not say.', { min: 3_600_000 }),
  ),
};

export type SigningOptions = Values<typeof SIGNING_OPTIONS>;
