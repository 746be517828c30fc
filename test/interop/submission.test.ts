/** Foreign clients log in and submit mail, each by the mechanisms that it knows. */

import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { scramSecretOf } from '../../src/directory/passwords.ts';

import { createTransport } from 'nodemailer';

import { traceOf, waitForMaildir } from '../lib/arrived.ts';
import { makeAuthority } from '../lib/certificates.ts';
import { interopNeeds } from '../lib/debs.ts';
import { packaged as runPackaged } from '../lib/packaged.ts';
import { freePort, removeFolder, run, startProcess, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';
import { swaks } from '../lib/swaks.ts';

const noSwaks = await interopNeeds('swaks');
const noClients = await interopNeeds('submission');
const noCurl = (await has('curl')) ? false : 'curl is not installed';
const noPython = (await has('python3')) ? false : 'python3 is not installed';

const PASSWORD = 'correct horse, battery = staple';

let product: Product;
let ports: Readonly<Record<'submission' | 'submissions', number>>;
let folder: string;

before(async () => {
  folder = await testFolder('submission');
  const authority = makeAuthority();
  const { cert, key } = authority.issue('localhost', '127.0.0.1');
  await writeFile(join(folder, 'authority.pem'), authority.cert);
  await writeFile(join(folder, 'certificate.pem'), cert);
  await writeFile(join(folder, 'key.pem'), key);
  ports = { submission: await freePort(), submissions: await freePort() };
  product = await startProduct({
    folder: join(folder, 'product'),
    config: {
      listeners: [
        { name: 'submission', host: '127.0.0.1', port: ports.submission, auth: 'required' },
        { name: 'submissions', host: '127.0.0.1', port: ports.submissions, auth: 'required', tls: 'implicit' },
      ],
      tls: { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') },
      relay: { networks: [] },
      routes: [{ kind: 'maildir', name: 'out', path: join(folder, 'mail', '{user}') }],
    },
  });
  await product.control.addDomain({ domain: 'client.test' });
  await product.control.addCredential({ user: 'ann', password: PASSWORD });
});
after(async () => {
  await product?.stop();
  await removeFolder(folder);
});

async function has(program: string): Promise<boolean> {
  return (await startProcess({ argv: ['sh', '-c', `command -v ${program}`] }).exited) === 0;
}

/** It arrived, and says that its client had logged in. */
async function arrived(user: string): Promise<void> {
  const [message] = await waitForMaildir(join(folder, 'mail', user), undefined, 1);
  assert.match(traceOf(message!.content).join('\n'), /with ESMTPSA/);
  assert.match(message!.content.toString('latin1'), /^DKIM-Signature: /m);
}

const CONTENT = 'From: ann@client.test\r\nTo: x@far.test\r\nSubject: Hello\r\n\r\nHello\r\n';

describe('swaks', { skip: noSwaks }, () => {
  const send = (user: string, ...more: readonly string[]) =>
    swaks(['--from', 'ann@client.test', '--to', `${user}@far.test`, ...more], Buffer.from(CONTENT));

  for (const mechanism of ['PLAIN', 'LOGIN'])
    for (const [how, flag] of [
      ['submission', '--tls'],
      ['submissions', '--tls-on-connect'],
    ] as const)
      test(`${mechanism} on ${how}`, async () => {
        const user = `swaks-${mechanism.toLowerCase()}-${how}`;
        const { code, transcript } = await send(
          user,
          ...['--server', `127.0.0.1:${ports[how]}`, flag, '--auth', mechanism],
          ...['--auth-user', 'ann', '--auth-password', PASSWORD],
        );
        assert.equal(code, 0, transcript);
        await arrived(user);
      });

  test('a wrong password is refused, and told of', async () => {
    const { transcript } = await send(
      'x',
      ...['--server', `127.0.0.1:${ports.submission}`, '--tls', '--auth', 'PLAIN'],
      ...['--auth-user', 'ann', '--auth-password', 'wrong horse'],
    );
    assert.match(transcript, /535 5\.7\.8/);
    await product.event('the failed login', (event) => event.kind === 'rejected' && event.stage === 'login');
  });

  test('without a login no mail is taken, and without TLS no login', async () => {
    const without = await send('x', '--server', `127.0.0.1:${ports.submission}`, '--tls');
    assert.match(without.transcript, /530 5\.7\.0/);
    const clear = await send(
      'x',
      ...['--server', `127.0.0.1:${ports.submission}`, '--auth', 'PLAIN'],
      ...['--auth-user', 'ann', '--auth-password', PASSWORD],
    );
    assert.notEqual(clear.code, 0);
    assert.doesNotMatch(clear.transcript, /AUTH PLAIN \S/);
  });

  test('nobody sends as somebody else', async () => {
    const { transcript } = await swaks(
      [
        ...['--from', 'eve@other.test', '--to', 'x@far.test', '--server', `127.0.0.1:${ports.submission}`, '--tls'],
        ...['--auth', 'PLAIN', '--auth-user', 'ann', '--auth-password', PASSWORD],
      ],
      Buffer.from(CONTENT),
    );
    assert.match(transcript, /550 5\.7\.1 .*allowed senders/);
  });
});

describe('mail for later, handed in by smtplib', { skip: noPython }, () => {
  const SCRIPT = `
import smtplib, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
with smtplib.SMTP('localhost', int(sys.argv[1]), source_address=('127.0.0.1', 0)) as client:
    client.starttls(context=context)
    client.login('ann', sys.argv[3])
    client.ehlo()
    print(client.esmtp_features['futurerelease'], client.has_extn('deliverby'), client.has_extn('mt-priority'))
    print(client.mail('ann@client.test', ['HOLDFOR=99999999'])[0])
    client.rset()
    client.sendmail('ann@client.test', ['later@far.test'], sys.argv[4].encode(), mail_options=['HOLDFOR=4', 'MT-PRIORITY=-4'])
`;

  test('goes when its time has come, and not before', async () => {
    const script = join(folder, 'later.py');
    await writeFile(script, SCRIPT);
    const before = Date.now();
    const said = await run({
      argv: [
        ...(['python3', script, String(ports.submission), join(folder, 'authority.pem'), PASSWORD] as const),
        CONTENT,
      ],
    });
    assert.match(said, /^2592000 \d{4}-\d\d-\d\dT\d\d:\d\d:00Z True True\n501\n/);
    const { entries } = await product.control.list({ recipient: 'later@far.test' });
    assert.deepEqual(
      entries.map(({ reason, class: priority }) => [reason, priority]),
      [['scheduled', 'bulk']],
    );
    const [message] = await waitForMaildir(join(folder, 'mail', 'later'), undefined, 1);
    assert.ok(Date.now() - before >= 4000);
    assert.match(traceOf(message!.content).join('\n'), /priority -4/);
  });

  test('by a header field, with its own names for it', async () => {
    const at = new Date(Date.now() + 4000).toISOString();
    const options = `X-Postrider-Send-At: ${at}\r\nX-Postrider-Tags: a, b\r\nX-Postrider-Tracking-Id: order-7\r\n`;
    const { code, transcript } = await swaks(
      [
        ...[
          '--from',
          'ann@client.test',
          '--to',
          'field@far.test',
          '--server',
          `127.0.0.1:${ports.submission}`,
          '--tls',
        ],
        ...['--auth', 'PLAIN', '--auth-user', 'ann', '--auth-password', PASSWORD],
      ],
      Buffer.from(`${options}${CONTENT}`),
    );
    assert.equal(code, 0, transcript);
    const [message] = await waitForMaildir(join(folder, 'mail', 'field'), undefined, 1);
    assert.doesNotMatch(message!.content.toString('latin1'), /X-Postrider/);
    assert.ok(Date.now() >= Date.parse(at));
    const event = await product.event(
      'the delivery',
      (each) => each.kind === 'delivered' && each.trackingId === 'order-7',
    );
    assert.deepEqual((event as { tags?: unknown }).tags, ['a', 'b']);
  });
});

describe('curl', { skip: noCurl }, () => {
  async function send(to: string, scheme: 'smtp' | 'smtps', ...more: readonly string[]): Promise<string> {
    const file = join(folder, `${to}.eml`);
    await writeFile(file, CONTENT);
    const port = ports[scheme === 'smtp' ? 'submission' : 'submissions'];
    const running = startProcess({
      argv: [
        ...(['curl', '--silent', '--show-error', '--verbose', '--insecure', '--ssl-reqd'] as const),
        ...['--url', `${scheme}://127.0.0.1:${port}/client.test`, '--user', `ann:${PASSWORD}`],
        ...['--mail-from', 'ann@client.test', '--mail-rcpt', `${to}@far.test`, '--upload-file', file, ...more],
      ],
    });
    assert.equal(await running.exited, 0, running.output());
    await arrived(to);
    return running.output();
  }

  for (const scheme of ['smtp', 'smtps'] as const) {
    test(`as it likes, by ${scheme}`, async () => void (await send(`curl-${scheme}`, scheme)));
    for (const mechanism of ['PLAIN', 'LOGIN'])
      for (const more of [[], ['--sasl-ir']])
        test(`${[mechanism, ...more].join(' ')} by ${scheme}`, async () => {
          const to = `curl-${[scheme, mechanism, ...more].join('')}`.toLowerCase();
          const said = await send(to, scheme, '--login-options', `AUTH=${mechanism}`, ...more);
          assert.match(said, new RegExp(`^> AUTH ${mechanism}${more.length === 0 ? '' : ' \\S+'}\\r?$`, 'm'));
        });
  }

  test('SCRAM-SHA-256 where its build knows it, and a refusal of its own where not', async () => {
    const knows = / gsasl\b/.test(await run({ argv: ['curl', '--version'] }));
    const sent = send('curl-scram', 'smtp', '--login-options', 'AUTH=SCRAM-SHA-256');
    if (knows) assert.match(await sent, /^> AUTH SCRAM-SHA-256/m);
    else await assert.rejects(sent, (error: Error) => !/^.*> AUTH/m.test(error.message));
  });
});

describe('nodemailer', () => {
  for (const method of ['PLAIN', 'LOGIN'])
    test(method, async () => {
      const transport = createTransport({
        ...{ host: '127.0.0.1', port: ports.submissions, secure: true, authMethod: method },
        ...{ auth: { user: 'ann', pass: PASSWORD }, tls: { rejectUnauthorized: false } },
      });
      const user = `nodemailer-${method.toLowerCase()}`;
      await transport.sendMail({ from: 'ann@client.test', to: `${user}@far.test`, subject: 'x', text: 'x' });
      transport.close();
      await arrived(user);
    });
});

describe('smtplib', { skip: noPython }, () => {
  const LOGINS = {
    'as it likes': `client.login('ann', password)`,
    PLAIN: `client.auth('PLAIN', client.auth_plain)`,
    'PLAIN without an initial response': `client.auth('PLAIN', client.auth_plain, initial_response_ok=False)`,
    LOGIN: `client.auth('LOGIN', client.auth_login)`,
    'LOGIN without an initial response': `client.auth('LOGIN', client.auth_login, initial_response_ok=False)`,
  };
  const script = (login: string, more = ''): string => `
import smtplib, ssl, sys
password = sys.argv[2]
client = smtplib.SMTP('127.0.0.1', int(sys.argv[1]))
client.starttls(context=ssl._create_unverified_context())
client.ehlo()
client.user, client.password = 'ann', password
${login}
${more}
client.quit()
`;
  const python = (text: string) => run({ argv: ['python3', '-c', text, String(ports.submission), PASSWORD] });

  for (const [at, [name, login]] of Object.entries(LOGINS).entries())
    test(name, async () => {
      const to = `smtplib-${at}`;
      await python(script(login, `client.sendmail('ann@client.test', ['${to}@far.test'], ${JSON.stringify(CONTENT)})`));
      await arrived(to);
    });

  test('CRAM-MD5 is neither offered nor taken', async () => {
    const login = `
print('CRAM-MD5' in client.esmtp_features['auth'].split())
try:
    client.auth('CRAM-MD5', client.auth_cram_md5)
except smtplib.SMTPAuthenticationError as error:
    print(error.smtp_code)`;
    assert.equal(await python(script(login)), 'False\n504\n');
  });
});

/**
 * What binds to the session is OpenSSL's as Python's `ssl` gives it: `tls-unique` is of a full handshake what the client sent
 * first, of a resumed one what the server did (RFC 5929 §3.1).
 */
describe('SCRAM-SHA-256-PLUS by tls-unique, written in Python', { skip: noPython }, () => {
  const SCRIPT = String.raw`
import base64, hashlib, hmac, os, socket, ssl, sys
port, authority, password = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()
context = ssl.create_default_context(cafile=authority)
context.maximum_version = ssl.TLSVersion.TLSv1_2
b64 = lambda octets: base64.b64encode(octets).decode()
mac = lambda key, text: hmac.digest(key, text.encode(), 'sha256')

class Client:
    def __init__(self, session=None):
        self.socket = context.wrap_socket(socket.create_connection(('127.0.0.1', port)), server_hostname='localhost', session=session)
        self.lines = self.socket.makefile('rb')
        self.reply()
        self.say('EHLO client.test')
    def reply(self):
        while True:
            line = self.lines.readline().decode().rstrip()
            if line[3:4] != '-':
                return line
    def say(self, line):
        self.socket.sendall((line + '\r\n').encode())
        return self.reply()
    def login(self, binding):
        bare = 'n=ann,r=' + b64(os.urandom(18))
        first = base64.b64decode(self.say('AUTH SCRAM-SHA-256-PLUS ' + b64(('p=tls-unique,,' + bare).encode()))[4:]).decode()
        given = dict(part.split('=', 1) for part in first.split(','))
        final = 'c=' + b64(b'p=tls-unique,,' + binding) + ',r=' + given['r']
        salted = hashlib.pbkdf2_hmac('sha256', password, base64.b64decode(given['s']), int(given['i']))
        key, whole = mac(salted, 'Client Key'), bare + ',' + first + ',' + final
        proof = bytes(a ^ b for a, b in zip(key, mac(hashlib.sha256(key).digest(), whole)))
        answer = self.say(b64((final + ',p=' + b64(proof)).encode()))
        if not answer.startswith('334'):
            return answer[:9]
        assert base64.b64decode(answer[4:]).decode() == 'v=' + b64(mac(mac(salted, 'Server Key'), whole))
        return self.say('')[:9]

full = Client()
print(full.socket.version(), full.socket.session_reused, full.login(full.socket.get_channel_binding('tls-unique')))
stranger = full.socket.get_channel_binding('tls-unique')
for ours in (True, False):
    # Whichever thread takes the connection, one of them has made the session.
    client = next(each for each in (Client(full.socket.session) for _ in range(200)) if each.socket.session_reused)
    print(client.socket.version(), client.socket.session_reused, client.login(client.socket.get_channel_binding('tls-unique') if ours else stranger))
`;

  test('of a full session, of a resumed one, and not of another', async () => {
    const script = join(folder, 'tls-unique.py');
    await writeFile(script, SCRIPT);
    const authority = join(folder, 'authority.pem');
    const said = await run({ argv: ['python3', script, String(ports.submissions), authority, PASSWORD] });
    assert.deepEqual(said.trim().split('\n'), [
      'TLSv1.2 False 235 2.7.0',
      'TLSv1.2 True 235 2.7.0',
      'TLSv1.2 True 535 5.7.8',
    ]);
  });
});

/** A program of the packages, with its libraries. */
function packaged(program: string, args: readonly string[], input = '') {
  return runPackaged(program, args, { folder, input });
}

describe('msmtp', { skip: noClients }, () => {
  for (const mechanism of ['plain', 'login', 'scram-sha-256'])
    test(mechanism, async () => {
      const user = `msmtp-${mechanism}`;
      const config = join(folder, `${user}.conf`);
      await writeFile(
        config,
        [
          ...['account default', 'host 127.0.0.1', `port ${ports.submission}`, 'tls on', 'tls_certcheck off'],
          ...[`auth ${mechanism}`, 'user ann', `password "${PASSWORD}"`, 'from ann@client.test'],
        ].join('\n'),
      );
      await chmod(config, 0o600);
      const { code, output } = await packaged('msmtp', ['-C', config, `${user}@far.test`], CONTENT);
      assert.equal(code, 0, output);
      await arrived(user);
    });
});

describe('gsasl', { skip: noClients }, () => {
  const login = (mechanism: string, password: string, ...more: readonly string[]) =>
    packaged(
      'gsasl',
      [
        ...['--client', '--smtp', `--mechanism=${mechanism}`, '--verbose', `--connect=localhost:${ports.submission}`],
        ...['--authentication-id=ann', `--password=${password}`, '--authorization-id='],
        ...[`--x509-ca-file=${join(folder, 'authority.pem')}`, '--quality-of-protection=qop-auth'],
        ...more,
      ],
      '',
    );

  for (const mechanism of ['PLAIN', 'LOGIN', 'SCRAM-SHA-256-PLUS']) {
    test(`${mechanism}: the right password is taken`, async () => {
      const { output } = await login(mechanism, PASSWORD);
      assert.match(output, /235 2\.7\.0/, output);
    });
    test(`${mechanism}: a wrong one is not`, async () => {
      const { output } = await login(mechanism, 'wrong horse');
      assert.match(output, /535 5\.7\.8/, output);
    });
  }

  test('makes the same keys of a password as we do', async () => {
    const salt = Buffer.alloc(16, 7);
    for (const password of [
      'correct horse',
      'caf\u00e9',
      'cafe\u0301',
      'pass\u2168wo\u00adrd',
      'a\u3000b\u200bc',
      '\ufb01\u2126',
    ]) {
      const make = ['--mkpasswd', '--mechanism=SCRAM-SHA-256', '--iteration-count=4096'];
      const { output } = await packaged('gsasl', [
        ...make,
        `--password=${password}`,
        `--salt=${salt.toString('base64')}`,
      ]);
      const { storedKey, serverKey } = await scramSecretOf(password, salt);
      const keys = [storedKey, serverKey].map((key) => Buffer.from(key).toString('base64'));
      assert.ok(output.includes(keys.join(',')), `${password}: ${output}`);
    }
  });

  test('SCRAM-SHA-256-PLUS by tls-unique below TLS 1.3', async () => {
    for (const [password, reply] of [
      [PASSWORD, /235 2\.7\.0/],
      ['wrong horse', /535 5\.7\.8/],
    ] as const) {
      const below = '--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2';
      const { output } = await login('SCRAM-SHA-256-PLUS', password, below);
      assert.match(output, reply, output);
      const sent = output.split('\n').map((line) => Buffer.from(line, 'base64').toString('latin1'));
      assert.ok(
        sent.some((each) => /^p=tls-unique,a?=?,n=ann,/.test(each)),
        output,
      );
    }
  });

  test('SCRAM-SHA-256 of a client that cannot bind', async () => {
    assert.match((await login('SCRAM-SHA-256', PASSWORD, '--no-cb')).output, /235 2\.7\.0/);
    assert.match((await login('SCRAM-SHA-256', 'wrong horse', '--no-cb')).output, /535 5\.7\.8/);
  });
});
