import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Event } from '../events/event.ts';
import { type Entry, type EntryRecipient } from '../mail/entry.ts';
import { formatMailbox } from '../mail/path.ts';
import { reply, replyText } from '../mail/reply.ts';
import { type Route } from '../mail/route.ts';
import { type NewMessage } from '../spool/spool.ts';
import { encodeHead, type PickupEnvelope } from '../wire/sendmail/pickup-file.ts';
import { pickupId, pickupName } from '../wire/sendmail/pickup-name.ts';
import { Aliases } from './aliases.ts';
import { ALL_REPAIRED } from './form-rule-names.ts';
import { KeptContents } from './kept-contents.ts';
import { type LocalIntakeDeps, takeIn, tellRefused } from './local-intake.ts';
import { type TakenIn, whyUnfit } from './local-message.ts';
import { OctetBudget } from './octet-budget.ts';
import { type IntakeState, type Submitted } from './ports.ts';
import { type SignedMail, type Signer } from './signer.ts';

const folder = mkdtempSync('/tmp/local-intake-');
after(() => rmSync(folder, { recursive: true, force: true }));

const NAME = pickupName(1_800_000_000_000, Buffer.alloc(16, 7));
const ID = pickupId(NAME)!;
const MX: Route = { name: 'mx', kind: 'mx', match: {}, port: 25, tls: 'opportunistic' };
const REFUSE: Route = { name: 'no', kind: 'fail', match: {}, code: 550, status: '5.7.1', text: 'Not to them' };
const RELAY: Route = { name: 'edge', kind: 'relay', match: {}, host: 'next.test', port: 25, tls: 'none' };

interface World {
  readonly deps: LocalIntakeDeps;
  readonly submitted: NewMessage[];
  readonly events: Event[];
  readonly planned: string[];
  readonly refused: string[];
}

interface Options {
  readonly intake?: IntakeState;
  readonly result?: Submitted;
  readonly mayNameSender?: boolean;
  readonly mayGiveOptions?: boolean;
  readonly softBounce?: boolean;
  readonly user?: string;
}

function world({
  intake = 'open',
  result,
  mayNameSender = true,
  mayGiveOptions = false,
  softBounce = false,
  user = 'ann',
}: Options = {}): World {
  const aliases = Aliases.compile({
    aliases: { team: ['ann@here.test', 'eve@far.test'] },
    localDomains: ['here.test'],
    postmaster: 'ann@here.test',
    hostname: 'here.test',
  });
  assert.ok(aliases.ok);
  const budget = new OctetBudget(1e7);
  const [submitted, events, planned, refused]: [NewMessage[], Event[], string[], string[]] = [[], [], [], []];
  const entry = (recipients: readonly EntryRecipient[], into: string[]): Entry[] => {
    into.push(...recipients.map(({ forwardPath, index }) => `${index} ${formatMailbox(forwardPath)}`));
    return recipients.length === 0 ? [] : [{ recipients } as unknown as Entry];
  };
  const deps: LocalIntakeDeps = {
    receive: {
      settings: () => ({
        hostname: 'mx.here.test',
        aliases: aliases.value,
        relay: { isLocal: (to) => aliases.value.isLocal(to), isRelayDomain: () => false, isTrusted: () => false },
        optionsFrom: () => false,
        longestHold: 86_400_000,
        isPool: () => false,
        softBounce,
        mailboxExists: ({ localPart }) => localPart === 'ann',
        defaultClass: 'normal',
        maxOctets: 1e6,
        maxHeaderOctets: 5000,
        maxTargets: 5000,
        maxHops: 3,
        memoryOctets: 1e6,
        tightOctets: 1e5,
        refuseNullMxSenders: true,
        submission: { rules: ALL_REPAIRED, networks: false, hideClient: false },
      }),
      intake: () => intake,
      clock: { now: () => 1000, monotonic: () => 0 },
      nextId: () => assert.fail('the id is that of the file'),
      budget,
      kept: new KeptContents(budget, { now: () => 1000, monotonic: () => 0 }),
      incoming: '/nonexistent',
      routeOf: ({ domain }) => (domain === 'refused.test' ? REFUSE : domain === 'edge.test' ? RELAY : MX),
      entriesOf: (_message, recipients) => entry(recipients, planned),
      submit: async (message) => {
        submitted.push(message);
        return result ?? { kind: 'accepted' };
      },
      formatDate: () => 'today',
      eventLine: (event) => JSON.stringify(event),
      tell: (event) => void events.push(event),
      openRelay: async () => assert.fail('nobody waits for the reply of a stateless relay'),
      signer: () => undefined,
      hasNullMx: async () => assert.fail('nobody asks who our own users are'),
    },
    settings: () => ({ domain: 'here.test', mayNameSender: () => mayNameSender, mayGiveOptions: () => mayGiveOptions }),
    userOf: async () => (user === '' ? undefined : { name: user, fullName: 'Ann Smith' }),
    refusedEntries: (_message, { recipients, why }, first) => {
      const made = entry(recipients, refused);
      refused.push(`${first}: ${replyText(why)}`);
      return made;
    },
  };
  return { deps, submitted, events, planned, refused };
}

function lines(text: string): string {
  return text.replaceAll('\n', '\r\n');
}

let n = 0;
function fileOf(octets: Uint8Array | string, mode = 0o640): string {
  const path = join(folder, String(n++));
  writeFileSync(path, octets);
  chmodSync(path, mode);
  return path;
}

function message(envelope: Partial<PickupEnvelope>, content = 'Subject: s\r\n\r\nx\r\n'): Buffer {
  const octets = Buffer.from(content, 'latin1');
  return Buffer.concat([encodeHead({ recipients: ['ann'], ...envelope }, octets.length), octets]);
}

function take(w: World, path: string): Promise<TakenIn> {
  return takeIn({ path, id: ID }, w.deps);
}

function contentOf({ submitted }: World): string {
  const { content } = submitted[0]!;
  assert.ok(content.kind === 'octets');
  return Buffer.from(content.octets).toString('latin1');
}

describe('a signature', () => {
  const cases: readonly (readonly [string, boolean, readonly boolean[]])[] = [
    ['is for the own address alone of who may not name another', false, [true, true, false]],
    ['is for whomever who may name any', true, [true, true, true]],
  ];
  for (const [name, mayNameSender, wanted] of cases)
    test(name, async () => {
      const w = world({ mayNameSender });
      const asked: boolean[] = [];
      const begin = (_section: Buffer, _now: number, { onlyOf }: SignedMail) => {
        for (const author of ['ann@here.test', 'Ann@here.test', 'ceo@here.test']) asked.push(onlyOf!(author));
      };
      const receive = { ...w.deps.receive, signer: () => ({ begin }) as unknown as Signer };
      const deps = { ...w.deps, receive };
      assert.deepEqual(await takeIn({ path: fileOf(message({})), id: ID }, deps), { kind: 'accepted' });
      assert.deepEqual(asked, wanted);
    });
});

describe('a header section that is too long', () => {
  test('is refused whole where it ends in a field, and nothing of a Bcc goes out', async () => {
    const w = world();
    const bcc = Array.from({ length: 20_000 }, (_, n) => ` boss${n}@far.test`).join(',\r\n');
    const path = fileOf(message({ recipients: ['ann'] }, `Subject: s\r\nBcc:${bcc}\r\nX: y\r\n\r\nx\r\n`));
    const taken = await take(w, path);
    assert.equal(taken.kind, 'refused');
    assert.deepEqual(w.submitted, []);
  });

  test('is none where only the body is long', async () => {
    const w = world();
    const path = fileOf(message({ recipients: ['ann'] }, `no header\r\n${'line\r\n'.repeat(2000)}`));
    assert.deepEqual(await take(w, path), { kind: 'accepted' });
  });
});

describe('a message of a local user', () => {
  test('gets its trace, its fields, the id of the file, and is kept by its name', async () => {
    const w = world();
    const path = fileOf(message({ recipients: ['ann', 'bob@far.test'] }));
    assert.deepEqual(await take(w, path), { kind: 'accepted' });
    const [made] = w.submitted;
    assert.equal(made?.id, ID);
    assert.equal(made?.keep, path);
    assert.deepEqual(made?.envelope.client, {
      ...{ address: '', port: 0, helloName: `uid ${process.getuid!()} (ann)`, protocol: 'LOCAL' },
      ...{ tls: undefined, listener: 'pickup' },
    });
    assert.equal(
      contentOf(w),
      lines(
        `Received: by mx.here.test (from uid ${process.getuid!()} (ann)) id ${ID}; today\n` +
          `Subject: s\nFrom: Ann Smith <ann@here.test>\nDate: today\nMessage-ID: <${ID}@mx.here.test>\n\nx\n`,
      ),
    );
    assert.deepEqual(w.planned, ['0 ann@here.test', '1 bob@far.test']);
    assert.deepEqual(w.events, []);
  });

  const senders: Readonly<Record<string, readonly [Options, string | undefined, string]>> = {
    'without -f comes from the user': [{}, undefined, 'ann@here.test'],
    'with -f from somebody else': [{}, 'eve@far.test', 'eve@far.test'],
    'with -f and no domain': [{}, 'eve', 'eve@here.test'],
    'with -f <> from nobody': [{}, '', ''],
    'with -f of one who may not, from the user': [{ mayNameSender: false }, 'eve@far.test', 'ann@here.test'],
    'with -f <> of one who may not, from the user': [{ mayNameSender: false }, '', 'ann@here.test'],
    'of a user without a name': [{ user: '' }, undefined, `uid-${process.getuid!()}@here.test`],
  };
  for (const [name, [options, sender, want]] of Object.entries(senders))
    test(name, async () => {
      const w = world(options);
      const envelope = sender === undefined ? {} : { sender };
      assert.deepEqual(await take(w, fileOf(message(envelope))), { kind: 'accepted' });
      const { reversePath } = w.submitted[0]!.envelope;
      assert.equal(reversePath === null ? '' : formatMailbox(reversePath), want);
    });

  test('the name of -F, and DSN parameters', async () => {
    const w = world();
    await take(w, fileOf(message({ fullName: 'Änn', notify: ['DELAY'], ret: 'HDRS', envid: 'x' })));
    assert.match(contentOf(w), /From: =\?utf-8\?B\?w4Rubg==\?= <ann@here.test>/);
    assert.deepEqual([w.submitted[0]?.envelope.ret, w.submitted[0]?.envelope.envid], ['HDRS', 'x']);
  });

  test('option fields, of a user who may give them and of one who may not', async () => {
    const content = 'X-Postrider-Tags: cron\r\nX-Postrider-Class: bulk\r\nSubject: s\r\n\r\nx\r\n';
    for (const [mayGiveOptions, want] of [
      [true, ['bulk', ['cron']]],
      [false, ['normal', undefined]],
    ] as const) {
      const w = world({ mayGiveOptions });
      await take(w, fileOf(message({}, content)));
      assert.deepEqual([w.submitted[0]?.class, w.submitted[0]?.envelope.tags], want);
      assert.doesNotMatch(contentOf(w), /X-Postrider/);
    }
  });

  test('to a thousand, whose addresses are long', async () => {
    const w = world();
    const recipients = Array.from({ length: 1000 }, (_, i) => `${'x'.repeat(60)}${i}@far.test`);
    assert.deepEqual(await take(w, fileOf(message({ recipients }))), { kind: 'accepted' });
    assert.equal(w.planned.length, 1000);
  });

  test('aliases are expanded, and everybody is there once', async () => {
    const w = world();
    await take(w, fileOf(message({ recipients: ['team', 'ann@here.test', 'postmaster'] })));
    assert.deepEqual(w.planned, ['0 ann@here.test', '1 eve@far.test']);
  });

  test('recipients that do not exist fail, and the others do not', async () => {
    const w = world();
    assert.deepEqual(await take(w, fileOf(message({ recipients: ['zed', 'ann', 'zoe'] }))), { kind: 'accepted' });
    assert.deepEqual(w.planned, ['0 ann@here.test']);
    assert.deepEqual(w.refused, ['1 zed@here.test', '2 zoe@here.test', '1: 550 5.1.1 No such mailbox here']);
    assert.deepEqual(
      w.events.map((event) => event.kind === 'rejected' && event.recipient),
      ['zed@here.test', 'zoe@here.test'],
    );
  });

  test('only recipients that do not exist', async () => {
    const w = world({ softBounce: true });
    assert.deepEqual(await take(w, fileOf(message({ recipients: ['zed'] }))), { kind: 'accepted' });
    assert.deepEqual([w.planned, w.refused], [[], ['0 zed@here.test', '0: 450 4.1.1 No such mailbox here']]);
  });

  test('routes that refuse, and stateless relays, are entries like others', async () => {
    const w = world();
    await take(w, fileOf(message({ recipients: ['a@refused.test', 'b@edge.test', 'c@far.test'] })));
    assert.deepEqual(w.planned, ['0 a@refused.test', '1 b@edge.test', '2 c@far.test']);
    assert.deepEqual(w.refused, []);
  });

  const contents: Readonly<Record<string, readonly [string, RegExp]>> = {
    'Bcc that a program left in': ['Subject: s\r\nBcc: eve\r\n\r\nx\r\n', /^(?![\s\S]*bcc)/i],
    'line ends that could smuggle': ['A: b\r\n\r\nx\n.\r\rMAIL\rx\r\n', /\r\n\r\nx\r\n\. {2}MAIL x\r\n$/],
    'no final line end': ['A: b\r\n\r\nx', /\r\n\r\nx\r\n$/],
    'a body alone': ['hello\r\nworld\r\n', /Message-ID: [^\r]*\r\n\r\nhello\r\nworld\r\n$/],
    nothing: ['', /Message-ID: [^\r]*\r\n\r\n$/],
  };
  for (const [name, [content, want]] of Object.entries(contents))
    test(name, async () => {
      const w = world();
      assert.deepEqual(await take(w, fileOf(message({}, content))), { kind: 'accepted' });
      assert.match(contentOf(w), want);
      assert.doesNotMatch(contentOf(w), /\r(?!\n)|(?<!\r)\n/);
    });

  test('a large message is read piece by piece', async () => {
    const w = world();
    const body = `${'x'.repeat(98)}\r\n`.repeat(9000);
    assert.deepEqual(await take(w, fileOf(message({}, `A: b\r\n\r\n${body}`))), { kind: 'accepted' });
    assert.ok(contentOf(w).endsWith(`\r\n\r\n${body}`));
  });
});

describe('what is not taken now stays', () => {
  for (const [name, options] of Object.entries<Options>({
    'intake is paused': { intake: 'paused' },
    'the disk is full': { intake: 'full' },
    'the server stops': { intake: 'draining' },
    'the commit failed': { result: { kind: 'unavailable', reason: 'x' } },
    'the disk became full': { result: { kind: 'full' } },
  }))
    test(name, async () => {
      const w = world(options);
      assert.equal((await take(w, fileOf(message({ recipients: ['zed', 'ann'] })))).kind, 'later');
      assert.deepEqual(w.events, [], 'nothing is told twice');
    });
  test('a file that is gone', async () => {
    assert.deepEqual(await take(world(), join(folder, 'none')), { kind: 'gone' });
  });
});

describe('the sender of what was refused is told', () => {
  const why = reply(552, '5.3.4', 'Too large');
  test('with every recipient, and of the content what names the message', async () => {
    const w = world();
    const content = `Subject: big\r\nX-Long: ${'x'.repeat(6000)}\r\nTo: ann\r\n\r\n${'x'.repeat(100_000)}`;
    const path = fileOf(message({ recipients: ['ann', 'zed'] }, content));
    assert.deepEqual(await tellRefused({ path, id: ID }, why, w.deps), { kind: 'accepted' });
    assert.deepEqual([w.planned, w.refused], [[], ['0 ann@here.test', '1 zed@here.test', '0: 552 5.3.4 Too large']]);
    assert.equal(w.submitted[0]?.keep, undefined);
    assert.match(
      contentOf(w),
      /\r\nSubject: big\r\nTo: ann@here\.test\r\nFrom: [^\r]*\r\nDate: today\r\nMessage-ID: [^\r]*\r\n\r\n$/,
    );
    assert.deepEqual(w.events, []);
  });
  test('as far as mail is taken now', async () => {
    const taken = await tellRefused({ path: fileOf(message({})), id: ID }, why, world({ intake: 'full' }).deps);
    assert.equal(taken.kind, 'later');
  });
});

describe('what is refused', () => {
  const files: Readonly<Record<string, readonly [() => string, RegExp]>> = {
    'a symbolic link': [
      () => {
        const path = join(folder, String(n++));
        symlinkSync(fileOf(message({})), path);
        return path;
      },
      /symbolic link/,
    ],
    'a second name of a file': [
      () => {
        const path = join(folder, String(n++));
        linkSync(fileOf(message({})), path);
        return path;
      },
      /more than one name/,
    ],
    'a file that its group can write': [() => fileOf(message({}), 0o660), /others than its owner/],
    'a file that everybody can write': [() => fileOf(message({}), 0o602), /others than its owner/],
    'a folder': [
      () => {
        const path = join(folder, String(n++));
        mkdirSync(path);
        return path;
      },
      /no plain file/,
    ],
    'a FIFO, without waiting for it': [
      () => {
        const path = join(folder, String(n++));
        execFileSync('mkfifo', [path]);
        return path;
      },
      /no plain file/,
    ],
    'any other file': [() => fileOf('hello'), /no message of `postrider sendmail`/],
    'an empty file': [() => fileOf(''), /no message/],
    'a file that was cut short': [
      () => {
        const path = fileOf(message({}));
        truncateSync(path, message({}).length - 3);
        return path;
      },
      /octets of content stand where/,
    ],
    'a file that is longer than it says': [() => fileOf(Buffer.concat([message({}), Buffer.from('x')])), /stand where/],
    'a message that is too large': [() => fileOf(message({}, 'x'.repeat(1_000_001))), /limits.messageOctets/],
    'a header section that is too large': [() => fileOf(message({}, `A: ${'x'.repeat(6000)}\r\n\r\n`)), /552 5\.3\.4/],
    'a loop': [() => fileOf(message({}, 'Received: x\r\n'.repeat(4))), /554 5\.4\.6/],
    'a recipient that is none': [() => fileOf(message({ recipients: ['ann', 'a b@c'] })), /"a b@c" is no address/],
    'a sender that is none': [() => fileOf(message({ sender: '@' })), /"@" is no address/],
  };
  for (const [name, [make, why]] of Object.entries(files))
    test(name, async () => {
      const w = world();
      const taken = await take(w, make());
      assert.equal(taken.kind, 'refused');
      assert.match('reason' in taken ? taken.reason : '', why);
      assert.deepEqual(w.submitted, []);
      // Of what is a message the sender can be told; of other files nobody knows one.
      const isMessage = /large|loop/.test(name);
      assert.equal('reply' in taken, isMessage);
    });

  test('a user whose name makes no address', async () => {
    const taken = await take(world({ user: 'a\nb' }), fileOf(message({})));
    assert.match('reason' in taken ? taken.reason : '', /no address can be made/);
  });

  test('whyUnfit says nothing against a plain file', () => {
    assert.equal(whyUnfit({ isFile: () => true, nlink: 1, mode: 0o100_640 }), undefined);
    assert.match(whyUnfit({ isFile: () => true, nlink: 0, mode: 0o100_640 }) ?? '', /name/);
  });
});
