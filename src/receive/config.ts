/** The options of receiving: listeners, who may send what, limits and timeouts (RFC 5321 §4.5.3). */

import { address, domainName, hostOrAddress, network } from '../mail/config.ts';
import {
  checkedText,
  choice,
  count,
  duration,
  fileName,
  flag,
  group,
  list,
  octets,
  optional,
  record,
  required,
  text,
  type Values,
} from '../lib/schema.ts';
import { TLS_PROFILES } from '../lib/tls-profile.ts';
import { parsed, unparsed } from '../lib/parsed.ts';
import { FORM_RULES, REPAIRABLE_RULES } from './form-rule-names.ts';
import { SASL_MECHANISMS } from '../wire/sasl/sasl.ts';
import { SERVER_DEFAULTS } from '../wire/smtp/server-options.ts';

/** Names of listeners and routes: short, without anything that would have to be quoted. */
export function name(written: string, doc: string) {
  return checkedText(written, doc, {
    expected: 'a name of letters, digits, - and _',
    parse: (value) => (/^[A-Za-z0-9][\w-]{0,63}$/.test(value) ? parsed(value) : unparsed('other characters in it')),
  });
}

function serverName(written: string, doc: string) {
  const expected = 'a host name, or *. and a domain';
  const name = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/;
  const parse = (value: string) =>
    value.length <= 255 && name.test(value.toLowerCase()) ? parsed(value.toLowerCase()) : unparsed('no host name');
  return checkedText(written, doc, { expected, parse });
}

/** Of a certificate or a key, as lower-case digits. */
export const FINGERPRINT = checkedText('3a…', 'A fingerprint.', {
  expected: 'SHA-256 as 64 hexadecimal digits, with or without colons',
  parse: (value) => {
    const digits = value.replaceAll(':', '').toLowerCase();
    return /^[0-9a-f]{64}$/.test(digits) ? parsed(digits) : unparsed('not 64 hexadecimal digits');
  },
});

const LISTENER = group(
  {
    name: required(name('smtp', 'Stands in events and in the trace field.')),
    host: hostOrAddress('::', 'Address to listen on; `::` is every address, of IPv4 too.'),
    port: count(25, 'Port to listen on; 0 lets the system choose.', { max: 65_535 }),
    protocol: choice(['smtp', 'lmtp'], 'smtp', 'SMTP, or LMTP with a reply for each recipient (RFC 2033).'),
    tls: choice(
      ['off', 'starttls', 'implicit'],
      'starttls',
      'Encryption: none, offered as STARTTLS, or from the first octet (port 465).',
    ),
    auth: choice(
      ['off', 'offered', 'required'],
      'off',
      'Logins (RFC 4954) of the users in the directory: none, offered, or required before mail is taken, as for submission on ports 587 and 465. Under TLS only.',
    ),
    authMechanisms: list(
      choice(SASL_MECHANISMS, 'PLAIN', 'A mechanism.'),
      [...SASL_MECHANISMS],
      'How a client may log in.',
    ),
    authInClearText: flag(false, 'Logins also without encryption: only for a listener on loopback.'),
    tlsProfile: optional(
      choice(
        TLS_PROFILES,
        'tls12',
        'Versions and ciphers here, in place of `tls.profile`; `tls12` on a second port for senders that break on TLS 1.3.',
      ),
    ),
    clientCertificates: flag(
      false,
      'Ask clients for a certificate of `tls.clientCa`; those that have none are served all the same.',
    ),
    proxyFrom: list(
      network('10.0.0.1', 'A network.'),
      [],
      'Load balancers that begin each connection with a PROXY header (v1 or v2); from anybody else it is refused.',
    ),
    connections: count(1000, 'Connections open at once; beyond that 421.', { min: 1, max: 1_000_000 }),
    connectionsPerClient: count(50, 'Of these, from one client address (IPv6: one /64).', { min: 1, max: 1_000_000 }),
  },
  'Where mail comes in.',
);

export const LISTENERS_OPTION = list(LISTENER, [{ name: 'smtp' }], 'Where mail comes in.');

export const TLS_OPTIONS = {
  certificate: optional(fileName('/etc/postrider/tls/fullchain.pem', 'PEM file with the certificate and its chain.')),
  key: optional(fileName('/etc/postrider/tls/privkey.pem', 'PEM file with the private key.')),
  certificates: list(
    group(
      {
        names: optional(
          list(
            serverName('mx.example.org', 'A host name, or `*.` and a domain for one label in front of it.'),
            [],
            'The names for which it is shown. Not given: those that it is made out to.',
          ),
        ),
        certificate: required(
          fileName('/etc/postrider/tls/example.org.pem', 'PEM file with the certificate and its chain.'),
        ),
        key: required(fileName('/etc/postrider/tls/example.org.key', 'PEM file with the private key.')),
      },
      'A certificate.',
    ),
    [],
    'More certificates, chosen by the name that the client asks for (SNI). A name may have one with an RSA key and one with an ECDSA key. Who asks for none, or for another name, is shown `tls.certificate`, else the certificate of ACME, else the first of these.',
  ),
  clientCa: optional(
    fileName(
      '/etc/postrider/tls/clients.pem',
      'PEM file with the authorities whose certificates clients may show, where a listener asks for one.',
    ),
  ),
  clientUser: optional(
    choice(
      ['address', 'commonName'],
      'address',
      'Lets a client log in by its certificate (EXTERNAL), as the user whose name is an address in its subjectAltName (rfc822Name), or its common name. For authorities that give such names to nobody but your users.',
    ),
  ),
  clientUsers: list(
    group(
      {
        fingerprint: required({ ...FINGERPRINT, doc: 'SHA-256 of the certificate.' }),
        user: required(text('ann', 'A user of the directory.')),
      },
      'A certificate.',
    ),
    [],
    'Certificates that log in a user by EXTERNAL whatever names they bear.',
  ),
  profile: choice(
    TLS_PROFILES,
    'compatible',
    'Versions and ciphers spoken to clients: `compatible` is what Node knows, `intermediate` and `modern` are Mozilla’s lists, `tls12` is `intermediate` without TLS 1.3.',
  ),
  selfSigned: flag(true, 'Without a certificate: make one. Others may encrypt with it, nobody can verify it.'),
  minVersion: choice(['TLSv1.2', 'TLSv1.3'], 'TLSv1.2', 'The oldest version spoken to clients.'),
};

export const RELAY_OPTIONS = {
  networks: list(
    network('127.0.0.0/8', 'A network.'),
    ['127.0.0.0/8', '::1'],
    'Clients that may send to anybody through this server.',
  ),
  domains: list(
    domainName('example.org', 'A domain.'),
    [],
    'Domains taken from anybody and passed on, for which this server is a backup MX or a gateway.',
  ),
  openToEveryone: flag(
    false,
    'Allows networks so large that anybody may send through this server. Such a server is found and abused within hours.',
  ),
};

export const LOCAL_OPTIONS = {
  domains: list(domainName('example.com', 'A domain.'), [], 'Domains whose mailboxes are here.'),
  route: optional(name('mailboxes', 'Name of the route that takes mail for these domains to its mailboxes.')),
  mailboxes: optional(
    list(
      address('ann', 'A local part, or an address.'),
      [],
      'The mailboxes that exist; others are refused. Not given: every address of the domains exists.',
    ),
  ),
  aliases: record(
    list(address('ann@example.com', 'An address.'), [], 'Where it leads.'),
    'Addresses that stand for others: a local part (in every local domain) or a whole address, each with a list of addresses.',
  ),
  postmaster: optional(
    address(
      'ann@example.com',
      'Who reads mail for postmaster and abuse, which exist in every local domain, and hears of double bounces. Not given: `postmaster@<hostname>`.',
    ),
  ),
};

export const SUBMISSION_OPTIONS = {
  refuseIf: list(
    choice(FORM_RULES, 'severalFrom', 'A rule.'),
    ['severalFrom'],
    'What a message of a user is refused for, each with the name of the rule in the reply.',
  ),
  repairIf: optional(
    list(
      choice(REPAIRABLE_RULES, 'missingDate', 'A rule.'),
      [],
      'What is put right in it. Not given: all that `refuseIf` does not have. What is in neither stays as it is.',
    ),
  ),
  networks: flag(
    false,
    'The same for clients in `relay.networks` that have not logged in. For programs that send; not for servers that pass on what others have sent.',
  ),
  hideClient: flag(false, 'The trace field of such mail does not have the name and address of its client.'),
};

export const LIMITS_OPTIONS = {
  messageOctets: octets(SERVER_DEFAULTS.maxContentOctets, 'Largest message, offered as SIZE; beyond it 552.', {
    min: 65_536,
    max: 2 ** 40,
  }),
  headerOctets: octets('512KiB', 'Largest header section; beyond it 552.', { min: 16_384 }),
  lineOctets: octets(SERVER_DEFAULTS.maxLineOctets, 'Longest line of content; beyond it 550.', { min: 1000 }),
  commandOctets: octets(SERVER_DEFAULTS.maxCommandOctets, 'Longest command; beyond it 500.', { min: 512, max: 65_536 }),
  recipients: count(SERVER_DEFAULTS.maxRecipients, 'Recipients of one message; beyond it 452.', {
    min: 100,
    max: 100_000,
  }),
  transactions: count(SERVER_DEFAULTS.maxTransactions, 'Messages in one session; beyond it 421.', { min: 1 }),
  hops: count(100, '`Received:` fields; a message with more is in a loop and gets 554.', { min: 10, max: 1000 }),
  errors: count(SERVER_DEFAULTS.maxErrors, 'Refused commands since the last accepted message; beyond it 421.', {
    min: 1,
  }),
  junkCommands: count(SERVER_DEFAULTS.maxJunk, 'Commands that bring no message nearer, likewise.', { min: 1 }),
  earlyTalk: choice(
    ['refuse', 'tolerate'],
    SERVER_DEFAULTS.earlyTalk,
    'What of a client that sends before it is greeted.',
  ),
  improperPipelining: choice(
    ['refuse', 'tolerate'],
    SERVER_DEFAULTS.improperPipelining,
    'What of a client that sends on behind EHLO or DATA without waiting.',
  ),
  nullMxSenders: choice(
    ['refuse', 'accept'],
    'refuse',
    'Mail from a domain that says it sends none (null MX, RFC 7505).',
  ),
  timeouts: group(
    {
      greeting: duration('30s', 'Until a TLS handshake or a PROXY header is complete.', { min: 100 }),
      command: duration('5m', 'For the next command.', { min: 100 }),
      content: duration('3m', 'For the next block of content.', { min: 100 }),
      session: duration('2h', 'A whole session.', { min: 1000 }),
    },
    'How long a client may take (RFC 5321 §4.5.3.2).',
  ),
};

export const MEMORY_OPTIONS = {
  content: octets('64MiB', 'Content held in memory, for each worker and for the queue manager. Full: 452.', {
    min: 2 ** 20,
  }),
  spillAt: octets('256KiB', 'A message that grows past this goes to a file.', { min: 4096 }),
  tightSpillAt: octets('16KiB', 'The same, when more than half of `memory.content` is taken.', { min: 4096 }),
};

export const PICKUP_OPTIONS = {
  folder: optional(
    fileName(
      '/var/spool/postrider',
      'Folder in which every local user may hand in mail with `sendmail`, also while the server is stopped; outside of the spool, which is closed. Not given: `pickup` in the spool, for root and the user of the server.',
    ),
  ),
  domain: optional(
    domainName(
      'example.com',
      'Completes addresses without a domain, such as `root`. Not given: `hostname`, or the first local domain if that is none.',
    ),
  ),
  senders: choice(
    ['any', 'own'],
    'any',
    'Whether a user may name another reverse-path than the own address (`sendmail -f`). With `own` it is passed over, but for `trustedUsers`.',
  ),
  trustedUsers: list(
    text('www-data', 'A login name.'),
    ['root'],
    'Users who may name any reverse-path, and whose option fields (`X-Postrider-Send-At` and so on) are obeyed.',
  ),
};

export type ListenerOptions = Values<typeof LISTENER>;
export type SubmissionOptions = Values<typeof SUBMISSION_OPTIONS>;

export type RepairedRules = NonNullable<SubmissionOptions['repairIf']>;

/** What is put right when nothing is said of it. */
export function repairedRules({ refuseIf, repairIf }: SubmissionOptions): RepairedRules {
  return repairIf ?? REPAIRABLE_RULES.filter((rule) => !refuseIf.includes(rule));
}
