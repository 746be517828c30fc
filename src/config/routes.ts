/** The options of routes: the kinds of `mail/route.ts` as they are written. */

import { parsed, unparsed } from '../lib/parsed.ts';
import {
  checkedText,
  choice,
  count,
  duration,
  fileName,
  flag,
  group,
  list,
  optional,
  partial,
  refine,
  required,
  text,
  type Values,
  variants,
} from '../lib/schema.ts';
import { addressPattern, hostOrAddress, network, nextHopAddress } from '../mail/config.ts';
import { FINGERPRINT, name } from '../receive/config.ts';

const PORT = { min: 1, max: 65_535 };
const LEVELS = ['none', 'opportunistic', 'encrypt', 'verify', 'dane'] as const;
const LEVELS_DOC =
  '`none`; `opportunistic`: if offered, whoever it is; `encrypt`: always, whoever it is; `verify`: always, with a certificate for the name of the host; `dane`: always, with a certificate that the DNS names (RFC 7672). What receivers publish (DANE, MTA-STS) is obeyed beyond this, except with `none`.';

const BASE = {
  name: required(name('out', 'Unique among the routes; stands in events.')),
  match: partial(
    {
      recipients: list(
        addressPattern('example.com', 'A pattern.'),
        [],
        'Recipients: `example.com`, `.example.com` (every subdomain), `*`, `user@example.com`.',
      ),
      senders: list(
        addressPattern('example.com', 'A pattern.'),
        [],
        'Senders: the same patterns; `<>` is the null reverse-path.',
      ),
      tenants: list(text('acme', 'A tenant.'), [], 'Tenants.'),
      pools: list(
        name('newsletters', 'A pool.'),
        [],
        'Names that senders may ask for (`X-Postrider-Pool`): another smarthost, another relay.',
      ),
      clients: list(network('192.0.2.0/24', 'A network.'), [], 'Networks of the clients that gave us the mail.'),
    },
    'What takes this route: all the lists given must match, a list matches when one of its elements does. Nothing given: everything.',
  ),
};

const TLS_OPTIONS = partial(
  {
    fingerprints: list(
      FINGERPRINT,
      [],
      "SHA-256 of the server's certificate, or of its public key: one must match, whoever signed it. With `tls: 'verify'`.",
    ),
    clientCertificate: optional(
      group(
        {
          certificate: required(
            fileName('/etc/postrider/tls/client.pem', 'PEM file of the certificate, its chain behind it.'),
          ),
          key: required(fileName('/etc/postrider/tls/client-key.pem', 'PEM file of its key.')),
        },
        'A certificate to show to the server.',
      ),
    ),
    profile: optional(
      choice(
        ['modern', 'intermediate'],
        'modern',
        '`modern`: TLS 1.3 alone; `intermediate`: TLS 1.2 too, with good ciphers. Not given: `deliver.tls.minVersion`, and what OpenSSL takes for good.',
      ),
    ),
  },
  'How TLS is spoken, besides how much of it is demanded.',
);

const AUTH = group(
  {
    user: required(text('user', 'The user name.')),
    password: required(
      text('secret', 'The password. Better `process.env.SMARTHOST_PASSWORD` than the password itself.'),
    ),
  },
  'A login.',
);

const REPLACED = new Set(['recipient', 'sender', 'user', 'domain', 'queueId']);

const ARGV = refine(
  list(
    text('/usr/bin/procmail', 'A word.'),
    ['/usr/local/bin/deliver', '{recipient}'],
    'A program by its absolute path, and its arguments; never given to a shell. `{recipient}`, `{sender}`, `{user}`, `{domain}`, `{queueId}` are replaced inside an argument. The message comes on standard input.',
  ),
  'a program and its arguments',
  (words) => {
    const [program, ...rest] = words;
    if (program === undefined || !program.startsWith('/')) return unparsed('the first has to be an absolute path');
    const argv: readonly [string, ...string[]] = [program, ...rest];
    const strange = rest
      .flatMap((word) => [...word.matchAll(/\{([a-zA-Z]+)\}/g)])
      .find(([, word = '']) => !REPLACED.has(word));
    if (strange !== undefined)
      return unparsed(`${strange[0]} would stay as it is; what is replaced is {${[...REPLACED].join('}, {')}}`);
    return program.includes('{') ? unparsed('the program itself cannot depend on the message') : parsed(argv);
  },
);

const MAILDIR_PATH = checkedText(
  '/var/mail/{domain}/{user}',
  'Absolute; `{user}` and `{domain}` are the parts of the recipient, in lower case.',
  {
    expected: 'an absolute path in which {user} and {domain} may stand',
    parse: (value) => {
      const [strange] = /\{(?!user\}|domain\})[^/}]*\}?/.exec(value) ?? [];
      if (!value.startsWith('/')) return unparsed('it has to begin with /');
      return strange === undefined ? parsed(value) : unparsed(`${strange} is neither of them`);
    },
  },
);

const STATUS = checkedText('5.7.1', 'Enhanced status (RFC 3463).', {
  expected: 'a status like 5.7.1',
  parse: (value) =>
    /^[45]\.\d{1,3}\.\d{1,3}$/.test(value) ? parsed(value) : unparsed('three numbers, the first 4 or 5'),
});

const ROUTE = variants(
  {
    mx: {
      ...BASE,
      port: count(25, 'Port of the hosts.', PORT),
      tls: choice(LEVELS, 'opportunistic', LEVELS_DOC),
      tlsOptions: optional(TLS_OPTIONS),
    },
    smarthost: {
      ...BASE,
      host: required(hostOrAddress('smtp.example.com', 'Looked up by address, not by MX.')),
      port: count(587, 'Its port.', PORT),
      tls: choice(LEVELS, 'verify', LEVELS_DOC),
      tlsOptions: optional(TLS_OPTIONS),
      implicitTls: flag(false, 'TLS from the first octet (port 465).'),
      auth: optional(AUTH),
    },
    lmtp: {
      ...BASE,
      to: required(nextHopAddress('/run/dovecot/lmtp', 'Where the mailbox server listens: `host:port`, or a socket.')),
    },
    maildir: { ...BASE, path: required(MAILDIR_PATH) },
    pipe: { ...BASE, argv: required(ARGV), timeout: duration('5m', 'Until the program is stopped.', { min: 100 }) },
    discard: BASE,
    fail: {
      ...BASE,
      code: count(550, '4xx: come back later; 5xx: never.', { min: 400, max: 599 }),
      status: STATUS,
      text: text('Not accepted here', 'What is said to the sender.'),
    },
    relay: {
      ...BASE,
      host: required(
        hostOrAddress('inner.example.com', 'The next hop. Its final reply is ours, and nothing is stored.'),
      ),
      port: count(25, 'Its port.', PORT),
      tls: choice(LEVELS, 'opportunistic', LEVELS_DOC),
      tlsOptions: optional(TLS_OPTIONS),
    },
  },
  'A way to go.',
);

export const ROUTES_OPTION = list(
  ROUTE,
  [],
  'Ways to go, tried in this order; the first that matches is taken. Mail that matches none goes to the hosts that the MX records of its recipient name.',
);

export type RouteOptions = Values<typeof ROUTE>;
