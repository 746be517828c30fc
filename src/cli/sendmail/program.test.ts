import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { decodeHead, type PickupEnvelope } from '../../wire/sendmail/pickup-file.ts';
import { pickupId } from '../../wire/sendmail/pickup-name.ts';
import { type SendmailName } from '../../wire/sendmail/options.ts';
import { type FakeTerminal, fakeTerminal } from '../terminal.fixtures.contract.ts';
import { runSendmail, type SendmailIo } from './program.ts';

const base = mkdtempSync('/tmp/sendmail-');
let folder = '';
let drop = '';
let n = 0;
beforeEach(() => {
  folder = join(base, String(n++));
  drop = join(folder, 'drop');
  mkdirSync(drop, { recursive: true });
});
after(() => rmSync(base, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly terminal: FakeTerminal;
}

async function* chunksOf(input: string | Error, size: number): AsyncGenerator<Buffer> {
  if (input instanceof Error) throw input;
  const octets = Buffer.from(input, 'latin1');
  for (let at = 0; at < octets.length; at += size) yield octets.subarray(at, at + size);
}

interface Run {
  readonly input?: string | Error;
  readonly as?: SendmailName;
  readonly env?: Readonly<Record<string, string>>;
  readonly size?: number;
  readonly more?: Partial<SendmailIo>;
}

async function run(
  words: readonly string[],
  { input = '', as = 'sendmail', env, size = 65_536, more }: Run = {},
): Promise<Ran> {
  const terminal = fakeTerminal({ env: { POSTRIDER_PICKUP: folder, ...env }, cwd: folder });
  const openOffline = async (): Promise<never> => {
    throw new Error('not here');
  };
  const code = await runSendmail(as, words, { terminal, input: chunksOf(input, size), openOffline, ...more });
  return { code, terminal };
}

interface Dropped {
  readonly envelope: PickupEnvelope;
  readonly content: string;
}

function dropped(): readonly Dropped[] {
  return readdirSync(drop).map((name) => {
    assert.notEqual(pickupId(name), undefined, name);
    const octets = readFileSync(join(drop, name));
    const head = decodeHead(octets);
    assert.ok(head.ok, head.ok ? '' : head.reason);
    const content = octets.subarray(head.value.headOctets);
    assert.equal(content.length, head.value.contentOctets);
    return { envelope: head.value.envelope, content: content.toString('latin1') };
  });
}

interface Case {
  readonly name: string;
  readonly words: readonly string[];
  readonly input: string;
  readonly envelope: PickupEnvelope;
  readonly content: string;
  readonly env?: Readonly<Record<string, string>>;
}

const CASES: readonly Case[] = [
  {
    name: 'a message as cron writes it',
    words: ['-FCronDaemon', '-i', '-B8BITMIME', '-oem', 'root'],
    input: 'From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@here> x\n\nhello\n',
    envelope: { fullName: 'CronDaemon', recipients: ['root'] },
    content: 'From: root (Cron Daemon)\r\nTo: root\r\nSubject: Cron <root@here> x\r\n\r\nhello\r\n',
  },
  {
    name: '-t takes To, Cc and Bcc, and Bcc does not go out',
    words: ['-t', '-i'],
    input: 'To: Ann <ann@a.test>\nCc: bob\nBcc: eve@e.test,\n zoe\nSubject: s\n\nx\n',
    envelope: { recipients: ['ann@a.test', 'bob', 'eve@e.test', 'zoe'] },
    content: 'To: Ann <ann@a.test>\r\nCc: bob\r\nSubject: s\r\n\r\nx\r\n',
  },
  {
    name: '-t adds to the recipients of the command line, each once',
    words: ['-t', 'bob', 'carl'],
    input: 'To: ann, bob\n\n',
    envelope: { recipients: ['bob', 'carl', 'ann'] },
    content: 'To: ann, bob\r\n\r\n',
  },
  {
    name: '-t of what is sent again',
    words: ['-t'],
    input: 'Resent-To: ann\nTo: bob\n\nx\n',
    envelope: { recipients: ['ann'] },
    content: 'Resent-To: ann\r\nTo: bob\r\n\r\nx\r\n',
  },
  {
    name: 'without -t the header section names nobody',
    words: ['ann'],
    input: 'To: bob\nBcc: eve\n\nx\n',
    envelope: { recipients: ['ann'] },
    content: 'To: bob\r\n\r\nx\r\n',
  },
  {
    name: 'an argument may be a list',
    words: ['Ann <ann@a.test>, bob'],
    input: '\nx\n',
    envelope: { recipients: ['ann@a.test', 'bob'] },
    content: '\r\nx\r\n',
  },
  {
    name: 'a lone dot ends the message',
    words: ['ann'],
    input: 'A: b\n\nx\n.\ny\n',
    envelope: { recipients: ['ann'] },
    content: 'A: b\r\n\r\nx\r\n',
  },
  {
    name: 'with -i it does not',
    words: ['-i', 'ann'],
    input: 'A: b\n\nx\n.\ny\n',
    envelope: { recipients: ['ann'] },
    content: 'A: b\r\n\r\nx\r\n.\r\ny\r\n',
  },
  {
    name: 'CRLF, a CR alone, and no final line end',
    words: ['-i', 'ann'],
    input: 'A: b\r\n\r\nx\ry\r\nz',
    envelope: { recipients: ['ann'] },
    content: 'A: b\r\n\r\nx y\r\nz\r\n',
  },
  {
    name: 'a body without a header section',
    words: ['ann'],
    input: 'hello\nworld\n',
    envelope: { recipients: ['ann'] },
    content: '\r\nhello\r\nworld\r\n',
  },
  { name: 'nothing at all', words: ['ann'], input: '', envelope: { recipients: ['ann'] }, content: '\r\n' },
  {
    name: 'the line of a mailbox file',
    words: ['ann'],
    input: 'From ann Thu Nov 26 01:00:00 2026\nA: b\n\nx\n',
    envelope: { recipients: ['ann'] },
    content: 'A: b\r\n\r\nx\r\n',
  },
  {
    name: '-f, -F, -N, -R and -V',
    words: ['-f', 'Ann Smith <ann@a.test>', '-F', 'Ann', '-N', 'delay', '-R', 'full', '-V', 'id', 'bob'],
    input: 'A: b\n\n',
    envelope: {
      sender: 'ann@a.test',
      fullName: 'Ann',
      notify: ['DELAY'],
      ret: 'FULL',
      envid: 'id',
      recipients: ['bob'],
    },
    content: 'A: b\r\n\r\n',
  },
  {
    name: 'the null reverse-path',
    words: ['-f', '<>', 'bob'],
    input: 'A: b\n\n',
    envelope: { sender: '', recipients: ['bob'] },
    content: 'A: b\r\n\r\n',
  },
  {
    name: 'the full name of the environment',
    words: ['bob'],
    input: 'A: b\n\n',
    env: { NAME: 'Ann Smith' },
    envelope: { fullName: 'Ann Smith', recipients: ['bob'] },
    content: 'A: b\r\n\r\n',
  },
  {
    name: 'octets above 127 stay as they are',
    words: ['bob'],
    input: 'Subject: \xe4\n\n\xff\0\n',
    envelope: { recipients: ['bob'] },
    content: 'Subject: \xe4\r\n\r\n\xff\0\r\n',
  },
];

describe('what is put into the pickup folder', () => {
  for (const { name, words, input, envelope, content, env } of CASES)
    for (const size of [65_536, 1])
      test(`${name}, in pieces of ${size}`, async () => {
        const { code, terminal } = await run(words, { input, size, ...(env && { env }) });
        assert.deepEqual([code, terminal.written.out, terminal.written.err], [0, '', '']);
        assert.deepEqual(dropped(), [{ envelope, content }]);
      });

  test('-v says the queue id', async () => {
    const { terminal } = await run(['-v', 'ann'], { input: '\n' });
    assert.equal(terminal.written.out, `queued as ${pickupId(readdirSync(drop)[0] ?? '')}\n`);
  });
  test('the file is for its owner and the group, whatever the umask', async () => {
    const before = process.umask(0o077);
    try {
      await run(['ann'], { input: '\n' });
    } finally {
      process.umask(before);
    }
    assert.equal(statSync(join(drop, readdirSync(drop)[0] ?? '')).mode & 0o777, 0o640);
  });
  test('a large message', async () => {
    const body = `${'x'.repeat(76)}\n`.repeat(100_000);
    await run(['-i', 'ann'], { input: `A: b\n\n${body}` });
    assert.equal(dropped()[0]?.content, `A: b\n\n${body}`.replaceAll('\n', '\r\n'));
  });
});

const FAILURES: readonly {
  readonly name: string;
  readonly words: readonly string[];
  readonly input?: string | Error;
  readonly code: number;
  readonly why: RegExp;
}[] = [
  { name: 'a wrong option is EX_USAGE', words: ['-Z', 'ann'], code: 64, why: /^sendmail: -Z: no such option\n$/ },
  { name: 'no recipients are EX_USAGE', words: [], code: 64, why: /name the recipients/ },
  {
    name: 'a header section without recipients is EX_USAGE',
    words: ['-t'],
    input: 'A: b\n\n',
    code: 64,
    why: /names no recipients/,
  },
  {
    name: 'an argument that is no address is EX_DATAERR',
    words: ['ann smith'],
    code: 65,
    why: /"ann smith" is no address/,
  },
  {
    name: 'a field that cannot be read is EX_DATAERR',
    words: ['-t'],
    input: 'To: <ann\n\n',
    code: 65,
    why: /^sendmail: To: /,
  },
  { name: 'two senders are EX_USAGE', words: ['-f', 'a, b', 'c'], code: 64, why: /write one address/ },
  {
    name: 'too many recipients are EX_DATAERR',
    words: ['-t'],
    input: `To: ${'x@y.test, '.repeat(1001)}\n\n`,
    code: 65,
    why: /more than 1000/,
  },
  {
    name: 'input that cannot be read is EX_NOINPUT',
    words: ['ann'],
    input: new Error('EIO'),
    code: 66,
    why: /standard input cannot be read/,
  },
  { name: '-bd is EX_USAGE', words: ['-bd'], code: 64, why: /postrider serve/ },
];

describe('what cannot be done', () => {
  for (const { name, words, input, code, why } of FAILURES)
    test(name, async () => {
      const ran = await run(words, input === undefined ? {} : { input });
      assert.equal(ran.code, code);
      assert.match(ran.terminal.written.err, why);
      assert.deepEqual(readdirSync(drop), []);
    });

  test('no pickup folder is EX_UNAVAILABLE', async () => {
    rmSync(drop, { recursive: true });
    const { code, terminal } = await run(['ann'], { input: '\n' });
    assert.equal(code, 69);
    assert.match(
      terminal.written.err,
      /could not be handed in: ENOENT.*; no Postrider has been started with this spool or pickup folder\n/,
    );
  });
  test(
    'a folder that one may not write to is EX_NOPERM',
    { skip: process.getuid?.() === 0 && 'root may' },
    async () => {
      chmodSync(drop, 0o500);
      assert.equal((await run(['ann'], { input: '\n' })).code, 77);
      chmodSync(drop, 0o700);
    },
  );
  test('input that ends in an error leaves nothing behind', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from('A: b\n\nx\n');
      throw new Error('gone');
    }
    const { code } = await run(['ann'], { more: { input: broken() } });
    assert.equal(code, 66);
    assert.deepEqual(readdirSync(drop), []);
  });
});

describe('where the folder is', () => {
  function configured(config: object): string {
    const file = join(folder, 'postrider.config.mjs');
    writeFileSync(file, `export default ${JSON.stringify({ hostname: 'mx.here.test', ...config })};`);
    return file;
  }
  const clear = { POSTRIDER_PICKUP: '' };

  test('as the configuration says that -C names', async () => {
    const file = configured({ pickup: { folder: '.' }, spool: { folder: '../elsewhere' } });
    assert.equal((await run(['-C', file, 'ann'], { input: '\n', env: clear })).code, 0);
    assert.equal(dropped().length, 1);
  });
  test('as the configuration says that the environment names: in the spool, if it says nothing', async () => {
    const file = configured({ spool: { folder: 'spool' } });
    mkdirSync(join(folder, 'spool', 'pickup', 'drop'), { recursive: true });
    assert.equal((await run(['ann'], { input: '\n', env: { ...clear, POSTRIDER_CONFIG: file } })).code, 0);
    assert.equal(readdirSync(join(folder, 'spool', 'pickup', 'drop')).length, 1);
  });
  test('in the spool that is named', async () => {
    mkdirSync(join(folder, 's', 'pickup', 'drop'), { recursive: true });
    assert.equal((await run(['ann'], { input: '\n', env: clear, more: { spool: 's' } })).code, 0);
    assert.equal(readdirSync(join(folder, 's', 'pickup', 'drop')).length, 1);
  });
  test(
    'a configuration in the folder of the caller is not looked at',
    { skip: existsSync('/var/spool/postrider') && 'it is in use here' },
    async () => {
      const file = configured({});
      writeFileSync(file, 'throw new Error("this was run")');
      const { code, terminal } = await run(['ann'], { input: '\n', env: clear });
      assert.equal(code, 69);
      assert.doesNotMatch(terminal.written.err, /this was run/);
      assert.match(terminal.written.err, /no Postrider takes mail here/);
    },
  );
  test('a configuration that is wrong is EX_CONFIG', async () => {
    const { code, terminal } = await run(['-C', configured({ hostname: 7 }), 'ann'], { input: '\n', env: clear });
    assert.equal(code, 78);
    assert.match(terminal.written.err, /hostname/);
  });
});

describe('other tasks', () => {
  for (const [words, as] of [
    [['-bi'], 'sendmail'],
    [[], 'newaliases'],
    [['-I'], 'sendmail'],
  ] as const)
    test(`${as} ${words.join(' ')} succeeds and says nothing`, async () => {
      const { code, terminal } = await run(words, { as });
      assert.deepEqual([code, terminal.written], [0, { out: '', err: '' }]);
    });
  test('--help and --version', async () => {
    assert.match((await run(['--help'])).terminal.written.out, /^Usage: sendmail/);
    assert.match((await run(['--version'])).terminal.written.out, /^Postrider \d/);
  });
  test(
    'mailq of nobody is EX_NOPERM, with what to do',
    { skip: existsSync('/etc/postrider') && 'it is in use here' },
    async () => {
      const { code, terminal } = await run([], { as: 'mailq' });
      assert.equal(code, 77);
      assert.match(terminal.written.err, /^mailq: the queue is only for root and the user that runs the server/);
    },
  );
  test('-q of a stopped server is EX_UNAVAILABLE', async () => {
    const { code, terminal } = await run(['-q'], { more: { spool: 'nowhere' } });
    assert.equal(code, 69);
    assert.match(terminal.written.err, /no server is running/);
  });
});

describe('sendmail -bs', () => {
  async function session(input: string, size = 65_536): Promise<readonly string[]> {
    const { code, terminal } = await run(['-bs'], { input: input.replaceAll('\n', '\r\n'), size });
    assert.equal(code, 0);
    assert.equal(terminal.written.err, '');
    return terminal.written.out.split('\r\n');
  }
  const MESSAGE = 'MAIL FROM:<ann@a.test>\nRCPT TO:<bob@b.test>\nRCPT TO:<eve@e.test>\nDATA\nA: b\n\n..x\n.\n';

  for (const size of [65_536, 1])
    test(`two messages, in pieces of ${size}`, async () => {
      const said = await session(
        `EHLO here.test\n${MESSAGE}MAIL FROM:<>\nRCPT TO:<zoe@z.test>\nDATA\n\n.\nQUIT\n`,
        size,
      );
      assert.match(said[0] ?? '', /^220 /);
      assert.equal(said.filter((line) => line.startsWith('250 2.0.0 Queued as ')).length, 2);
      assert.match(said.at(-2) ?? '', /^221 /);
      const found = dropped();
      assert.equal(found.length, 2);
      const of = (sender: string) => found.find(({ envelope }) => envelope.sender === sender);
      assert.deepEqual(of('ann@a.test'), {
        envelope: { sender: 'ann@a.test', recipients: ['bob@b.test', 'eve@e.test'] },
        content: 'A: b\r\n\r\n.x\r\n',
      });
      assert.deepEqual(of('')?.envelope.recipients, ['zoe@z.test']);
    });
  test('nothing is offered that has no place in a pickup file', async () => {
    const said = await session('EHLO here.test\nQUIT\n');
    const [, ...offered] = said.filter((line) => /^250[ -]/.test(line)).map((line) => line.slice(4).split(' ')[0]);
    // Whoever adds an extension looks here first: what it asks for has to stand in the pickup file.
    assert.deepEqual(offered, ['PIPELINING', 'SIZE', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'LIMITS', 'HELP']);
  });
  for (const parameter of ['BY=60;R', 'MT-PRIORITY=4', 'HOLDFOR=60', 'REQUIRETLS', 'RET=HDRS', 'ENVID=x', 'AUTH=<>'])
    test(`${parameter} is refused, not dropped`, async () => {
      const said = await session(`EHLO h\nMAIL FROM:<a@a.test> ${parameter}\nQUIT\n`);
      assert.ok(
        said.some((line) => line.startsWith('555 5.5.4 ')),
        said.join('\n'),
      );
    });
  for (const [name, input] of Object.entries({
    'an end of input amid a message': 'EHLO h\nMAIL FROM:<a@a.test>\nRCPT TO:<b@b.test>\nDATA\nA: b\n',
    RSET: 'EHLO h\nMAIL FROM:<a@a.test>\nRCPT TO:<b@b.test>\nRSET\nQUIT\n',
    'recipients that are none': 'EHLO h\nMAIL FROM:<a@a.test>\nRCPT TO:<b b>\nDATA\nQUIT\n',
  }))
    test(`${name} leaves nothing behind`, async () => {
      await session(input);
      assert.deepEqual(readdirSync(drop), []);
    });
  test('a folder that is gone is a temporary failure', async () => {
    rmSync(drop, { recursive: true });
    const said = await session(`EHLO h\n${MESSAGE}QUIT\n`);
    assert.ok(
      said.some((line) => line.startsWith('451 4.3.0 the message could not be handed in: ENOENT')),
      said.join('\n'),
    );
  });
});
