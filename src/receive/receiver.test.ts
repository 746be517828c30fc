import assert from 'node:assert/strict';
import { formatMailbox } from '../mail/path.ts';
import { describe, test } from 'node:test';
import { type Event } from '../events/event.ts';
import { type Recipient, type SenderParameters } from '../mail/envelope.ts';
import { type Mailbox, parseMailbox } from '../mail/path.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type Route } from '../mail/route.ts';
import { type NewMessage } from '../spool/spool.ts';
import { Aliases } from './aliases.ts';
import { type Authenticated, type Authenticator } from './authenticator.ts';
import { FailureCounts } from './failure-counts.ts';
import { KnownClients } from './known-clients.ts';
import { timeTable } from './shared-times.ts';
import { KeptContents } from './kept-contents.ts';
import { Logins } from './logins.ts';
import { OctetBudget } from './octet-budget.ts';
import {
  type IntakeState,
  type ReceiveDeps,
  type ReceiveSettings,
  type RelayTransaction,
  type Submitted,
} from './ports.ts';
import { type SignedMail, type Signer } from './signer.ts';
import { ALL_REPAIRED, formRules } from './form-rule-names.ts';
import { SessionReceiver } from './receiver.ts';
import { type ContentSink, type Peer } from './transaction.ts';

const ID = '0123456789abcdefghjk' as QueueId;
const MX: Route = { name: 'mx', kind: 'mx', match: {}, port: 25, tls: 'opportunistic' };
const REFUSE: Route = { name: 'no', kind: 'fail', match: {}, code: 550, status: '5.7.1', text: 'Not to them' };
const RELAY: Route = { name: 'edge', kind: 'relay', match: {}, host: 'next.test', port: 25, tls: 'none' };

const peer: Peer = {
  address: '192.0.2.1',
  port: 1,
  listener: 'mx',
  helloName: 'c.test',
  protocol: 'ESMTP',
  tls: undefined,
};

function mailbox(text: string): Mailbox {
  const read = parseMailbox(text);
  assert.ok(read.ok, text);
  return read.value;
}

const from = (text: string): SenderParameters => ({
  reversePath: text === '' ? null : mailbox(text),
  body: '7BIT',
  smtpUtf8: false,
  ret: undefined,
  envid: undefined,
});
const to = (text: string): Recipient => ({
  forwardPath: text === 'postmaster' ? { localPart: text, domain: '' } : mailbox(text),
  orcpt: undefined,
  notify: undefined,
});

interface World {
  readonly receiver: SessionReceiver;
  readonly submitted: NewMessage[];
  readonly events: Event[];
  readonly relayed: string[];
  intake: IntakeState;
  softBounce: boolean;
  result: Submitted;
  nullMx: 'yes' | 'no' | 'unknown';
}

function world(changes: Partial<ReceiveDeps> = {}, options: Partial<ReceiveSettings> = {}): World {
  const aliases = Aliases.compile({
    aliases: {
      team: ['ann@local.test', 'bob@local.test', 'eve@far.test'],
      away: ['x@edge.test'],
      both: ['ann@local.test', 'x@edge.test'],
    },
    localDomains: ['local.test'],
    postmaster: 'ann@local.test',
    hostname: 'local.test',
  });
  assert.ok(aliases.ok);
  const settings: ReceiveSettings = {
    hostname: 'us.test',
    aliases: aliases.value,
    relay: {
      isLocal: (recipient) => aliases.value.isLocal(recipient),
      isRelayDomain: (domain) => domain === 'backup.test',
      isTrusted: (address) => address === '127.0.0.1',
    },
    optionsFrom: () => false,
    softBounce: false,
    mailboxExists: ({ localPart }) => ['ann', 'bob'].includes(localPart),
    defaultClass: 'normal',
    longestHold: 86_400_000,
    isPool: (name) => name === 'letters',
    maxOctets: 1e6,
    maxHeaderOctets: 1000,
    maxTargets: 5000,
    maxHops: 100,
    memoryOctets: 1e5,
    tightOctets: 1e4,
    refuseNullMxSenders: true,
    submission: { rules: ALL_REPAIRED, networks: false, hideClient: false },
  };
  const relayed: string[] = [];
  const next: RelayTransaction = {
    host: 'next.test',
    sender: async () => reply(250, '2.1.0', 'ok'),
    recipient: async ({ forwardPath }) =>
      forwardPath.localPart === 'nobody' ? reply(550, '5.1.1', 'theirs') : reply(250, '2.1.5', 'ok'),
    begin: async () => reply(354, undefined, 'go'),
    write: (chunk) => void relayed.push(chunk.toString()),
    finish: async () => reply(250, '2.0.0', 'theirs'),
    abort: () => void relayed.push('aborted'),
  };
  const state: World = {
    submitted: [],
    events: [],
    relayed,
    intake: 'open',
    softBounce: false,
    result: { kind: 'accepted' },
    nullMx: 'no',
    receiver: undefined as never,
  };
  const budget = new OctetBudget(1e6);
  const receiver = new SessionReceiver({
    settings: () => ({ ...settings, softBounce: state.softBounce, ...options }),
    intake: () => state.intake,
    signer: () => undefined,
    clock: { now: () => 1000, monotonic: () => 0 },
    nextId: () => ID,
    budget,
    kept: new KeptContents(budget, { now: () => 1000, monotonic: () => 0 }),
    incoming: '/nonexistent',
    routeOf: ({ domain }) =>
      domain === 'refused.test' ? REFUSE : domain.startsWith('edge') ? RELAY : domain === 'lost.test' ? undefined : MX,
    entriesOf: () => [],
    submit: async (message) => {
      state.submitted.push(message);
      return state.result;
    },
    formatDate: () => 'today',
    eventLine: (event) => JSON.stringify(event),
    tell: (event) => void state.events.push(event),
    openRelay: async () => next,
    hasNullMx: async () => state.nullMx,
    ...changes,
  });
  return Object.assign(state, { receiver });
}

async function begin({ receiver }: World, client: Partial<Peer> = {}, sender = 'ann@sender.test'): Promise<Reply> {
  const known = { ...peer, ...client };
  await receiver.connect(known);
  await receiver.hello(known);
  return receiver.sender(known, from(sender), { declaredOctets: undefined });
}

async function send({ receiver }: World, text = 'Subject: hi\r\n\r\nbody\r\n'): Promise<Reply | readonly Reply[]> {
  const sink = await receiver.content();
  assert.ok('write' in sink);
  await (sink as ContentSink).write(Buffer.from(text));
  return (sink as ContentSink).finish();
}

describe('who may send where', () => {
  const cases: readonly (readonly [string, string, string, number])[] = [
    ['anybody to a local mailbox', '192.0.2.1', 'ann@local.test', 250],
    ['anybody to postmaster without a domain', '192.0.2.1', 'postmaster', 250],
    ['anybody to an alias', '192.0.2.1', 'team@local.test', 250],
    ['anybody to a domain that we relay to', '192.0.2.1', 'x@backup.test', 250],
    ['nobody from outside to outside', '192.0.2.1', 'x@far.test', 550],
    ['nobody to a subdomain of a local one', '192.0.2.1', 'x@sub.local.test', 550],
    ['nobody to an address literal', '192.0.2.1', 'x@[192.0.2.9]', 550],
    ['a trusted client to anywhere', '127.0.0.1', 'x@far.test', 250],
    ['nobody to a local mailbox that does not exist', '127.0.0.1', 'zed@local.test', 550],
    ['nobody where a route refuses', '127.0.0.1', 'x@refused.test', 550],
    ['nobody where there is no route', '127.0.0.1', 'x@lost.test', 550],
  ];
  for (const [name, address, recipient, code] of cases)
    test(name, async () => {
      const w = world();
      await begin(w, { address });
      assert.equal((await w.receiver.recipient(to(recipient))).code, code);
      assert.equal(w.events.length, code === 250 ? 0 : 1);
    });
});

describe('signing', () => {
  const fault = { kind: 'fault', reason: 'no key', lasting: false } as const;
  const signer = { begin: () => fault } as unknown as Signer;
  const cases: readonly (readonly [string, string, number])[] = [
    ['is for mail of clients that may send anything anywhere: such mail is refused when it fails', '127.0.0.1', 451],
    ['is not for the mail of others, whatever their From says', '192.0.2.1', 250],
  ];
  for (const [name, address, code] of cases)
    test(name, async () => {
      const w = world({ signer: () => signer });
      await begin(w, { address });
      await w.receiver.recipient(to('ann@local.test'));
      const answer = (await send(w)) as Reply;
      assert.equal(answer.code, code);
      if (code === 451) assert.match(String((w.events[0] as { reply?: string }).reply), /^451 4\.7\.5 .*no key/);
    });
});

test('a name that no Maildir can have is refused at once: a report of it would go to whoever stands in MAIL', async () => {
  const route: Route = { name: 'boxes', kind: 'maildir', match: {}, path: '/var/mail/{domain}/{user}' };
  const answers: number[] = [];
  for (const recipient of ['ann@local.test', '"../../evil"@local.test', '"."@local.test']) {
    const w = world({ routeOf: () => route }, { mailboxExists: () => true });
    await begin(w);
    answers.push((await w.receiver.recipient(to(recipient))).code);
  }
  assert.deepEqual(answers, [250, 550, 550]);
});

test('a signature is counted from when the message is sent', async () => {
  const asked: (number | undefined)[] = [];
  const signer = { begin: (_section: Buffer, _now: number, { sentFrom }: SignedMail) => void asked.push(sentFrom) };
  const identity = { user: 'app', tenant: '', senders: ['sender.test'], limits: {} };
  for (const field of ['', 'X-Postrider-Send-At: 1970-01-01T12:00:00Z\r\n']) {
    const w = world({ signer: () => signer as unknown as Signer });
    await begin(w, { identity });
    await w.receiver.recipient(to('ann@local.test'));
    await send(w, `From: ann@sender.test\r\n${field}\r\nx\r\n`);
  }
  assert.deepEqual(asked, [undefined, 12 * 3_600_000]);
});

describe('soft bounce', () => {
  test('makes a refusal temporary, in the reply and in what is told, and can be switched at any time', async () => {
    const w = world();
    await begin(w, { address: '127.0.0.1' });
    w.softBounce = true;
    const { code, status } = await w.receiver.recipient(to('zed@local.test'));
    assert.deepEqual([code, status], [450, '4.1.1']);
    assert.match(String((w.events[0] as { reply?: string }).reply), /^450 4\.1\.1/);
    assert.equal((await w.receiver.recipient(to('nobody@edge.test'))).code, 450);
    w.softBounce = false;
    assert.equal((await w.receiver.recipient(to('zed@local.test'))).code, 550);
  });

  test('of content too', async () => {
    const w = world();
    const codes: number[] = [];
    for (const softBounce of [false, true]) {
      w.softBounce = softBounce;
      await begin(w, { address: '127.0.0.1' });
      await w.receiver.recipient(to('ann@local.test'));
      // More than a header section may have.
      const answer = (await send(w, `Subject: ${'x'.repeat(2000)}\r\n\r\nx\r\n`)) as Reply;
      codes.push(answer.code);
    }
    assert.deepEqual(codes, [552, 452]);
  });
});

test('an alias becomes its targets, each of them once', async () => {
  const w = world();
  await begin(w, { address: '127.0.0.1' });
  for (const address of ['team@local.test', 'ann@local.test', 'ann@local.test'])
    assert.equal((await w.receiver.recipient(to(address))).code, 250);
  await send(w);
  const [accepted] = w.submitted[0]!.events;
  assert.deepEqual(JSON.parse(accepted!).recipients, ['ann@local.test', 'bob@local.test', 'eve@far.test']);
});

describe('what is asked of TLS on the way is kept with the envelope', () => {
  const cases: readonly (readonly [name: string, requireTls: boolean, header: string, want: object])[] = [
    ['nothing', false, 'Subject: hi', {}],
    ['REQUIRETLS', true, 'Subject: hi', { requireTls: true }],
    ['TLS-Required: No', false, 'TLS-Required: No', { tlsOptional: true }],
    ['both: the field means nothing', true, 'TLS-Required: No', { requireTls: true }],
  ];
  for (const [name, requireTls, header, want] of cases)
    test(name, async () => {
      const w = world();
      await w.receiver.connect({ ...peer, address: '127.0.0.1' });
      await w.receiver.hello({ ...peer, address: '127.0.0.1' });
      const sender = { ...from('ann@local.test'), ...(requireTls ? { requireTls } : {}) };
      await w.receiver.sender({ ...peer, address: '127.0.0.1' }, sender, { declaredOctets: undefined });
      await w.receiver.recipient(to('eve@far.test'));
      await send(w, `${header}\r\n\r\nbody\r\n`);
      const { envelope } = w.submitted[0]!;
      const asked = Object.entries(envelope).filter(([key]) => key === 'requireTls' || key === 'tlsOptional');
      assert.deepEqual(Object.fromEntries(asked), want);
    });
});

describe('priority, time and options', () => {
  const identity = { user: 'app', tenant: 'acme', senders: ['sender.test'], limits: {} };

  async function ask(
    who: Partial<Peer>,
    sender: object,
    request: object,
  ): Promise<{ readonly w: World; readonly answer: Reply }> {
    const w = world();
    const known = { ...peer, address: '127.0.0.1', ...who };
    await w.receiver.connect(known);
    await w.receiver.hello(known);
    const answer = await w.receiver.sender(
      known,
      { ...from('ann@sender.test'), ...sender },
      { declaredOctets: undefined, ...request },
    );
    return { w, answer };
  }

  test('a priority is taken from those who may name one, and leads to a class', async () => {
    const { w, answer } = await ask({ identity }, { priority: -3 }, {});
    assert.equal(answer.status, '2.1.0');
    await w.receiver.recipient(to('eve@far.test'));
    await send(w);
    assert.equal(w.submitted[0]!.envelope.priority, -3);
    assert.equal(w.submitted[0]!.class, 'bulk');
  });

  test('from others it is left out, and they are told (RFC 6710 §4)', async () => {
    const { w, answer } = await ask({}, { priority: 9 }, {});
    assert.equal(answer.code, 250);
    assert.equal(answer.status, '2.3.6');
    await w.receiver.recipient(to('eve@far.test'));
    await send(w);
    assert.equal(w.submitted[0]!.envelope.priority, undefined);
    assert.equal(w.submitted[0]!.class, 'normal');
  });

  test('only a user may have mail wait', async () => {
    const hold = { hold: { kind: 'for', duration: 60_000 } };
    const { answer } = await ask({}, {}, hold);
    assert.equal(answer.status, '5.7.1');
    assert.equal((await ask({ identity }, {}, hold)).answer.code, 250);
    const far = await ask({ identity }, {}, { hold: { kind: 'for', duration: 86_400_001 } });
    assert.equal(far.answer.code, 501);
  });

  test('what has a time is stored, not passed on: it may have to come back', async () => {
    const { w } = await ask({}, {}, { deliverWithin: { within: 60_000, mode: 'return', trace: false } });
    await w.receiver.recipient(to('x@edge.test'));
    await send(w);
    assert.deepEqual(w.relayed, []);
    assert.deepEqual(w.submitted[0]!.envelope.deliverBy, { at: 61_000, mode: 'return', trace: false });
  });

  const options: readonly (readonly [name: string, header: string, want: number])[] = [
    ['a pool for which there is a route', 'X-Postrider-Pool: letters', 250],
    ['a pool for which there is none', 'X-Postrider-Pool: others', 550],
    ['a time that is near enough', 'X-Postrider-Send-At: 1970-01-01T12:00:00Z', 250],
    ['a time that is too far', 'X-Postrider-Send-At: 1970-01-03T12:00:00Z', 550],
    ['a time that is over before it goes', 'X-Postrider-Expires: 1970-01-01T00:00:00Z', 550],
  ];
  for (const [name, header, want] of options)
    test(name, async () => {
      const { w } = await ask({ identity }, {}, {});
      await w.receiver.recipient(to('eve@far.test'));
      const answer = await send(w, `From: ann@sender.test\r\n${header}\r\n\r\nbody\r\n`);
      assert.ok('code' in answer);
      assert.equal(answer.code, want);
      assert.equal(w.submitted.length, want === 250 ? 1 : 0);
    });

  test('tags and tracking id are kept, and told of', async () => {
    const { w } = await ask({ identity }, {}, {});
    await w.receiver.recipient(to('eve@far.test'));
    await send(w, 'From: ann@sender.test\r\nX-Postrider-Tags: a, b\r\nX-Postrider-Tracking-Id: 7\r\n\r\nbody\r\n');
    const [message] = w.submitted;
    assert.deepEqual([message!.envelope.tags, message!.envelope.trackingId], [['a', 'b'], '7']);
    const [line] = message!.events;
    assert.match(line!, /"tags":\["a","b"\],"trackingId":"7"/);
    assert.doesNotMatch(Buffer.from((message!.content as { octets: Uint8Array }).octets).toString(), /X-Postrider/);
  });
});

describe('the final reply', () => {
  const cases: readonly (readonly [Submitted, number, RegExp])[] = [
    [{ kind: 'accepted' }, 250, new RegExp(ID)],
    [{ kind: 'full' }, 452, /storage/],
    [{ kind: 'unavailable', reason: 'no spool' }, 451, /no spool/],
  ];
  for (const [result, code, text] of cases)
    test(`says ${code} when the message is ${result.kind}`, async () => {
      const w = world();
      w.result = result;
      await begin(w);
      await w.receiver.recipient(to('ann@local.test'));
      const answer = (await send(w)) as Reply;
      assert.equal(answer.code, code);
      assert.match(answer.lines[0], text);
    });

  test('is given to each accepted recipient in LMTP', async () => {
    const w = world();
    await begin(w, { protocol: 'LMTP' });
    await w.receiver.recipient(to('ann@local.test'));
    await w.receiver.recipient(to('zed@local.test'));
    await w.receiver.recipient(to('bob@local.test'));
    const answers = (await send(w)) as readonly Reply[];
    assert.deepEqual(
      answers.map(({ code }) => code),
      [250, 250],
    );
  });
});

describe('no mail is taken', () => {
  for (const [intake, code] of [
    ['paused', 451],
    ['full', 452],
    ['draining', 421],
  ] as const)
    test(`while intake is ${intake}`, async () => {
      const w = world();
      w.intake = intake;
      assert.equal((await begin(w)).code, code);
    });

  test('from a domain that says that it sends none', async () => {
    const w = world();
    w.nullMx = 'yes';
    const answer = await begin(w);
    assert.deepEqual([answer.code, answer.status], [550, '5.7.27']);
  });
  test('but DNS that does not answer refuses nobody, and a bounce has no domain to ask about', async () => {
    const w = world();
    w.nullMx = 'unknown';
    assert.equal((await begin(w)).code, 250);
    w.nullMx = 'yes';
    assert.equal((await begin(w, {}, '')).code, 250);
  });
});

describe('stateless relay', () => {
  test('passes content through behind one trace field, and gives the next hop’s reply', async () => {
    const w = world();
    await begin(w, { address: '127.0.0.1' });
    assert.equal((await w.receiver.recipient(to('x@edge.test'))).code, 250);
    const answer = (await send(w)) as Reply;
    assert.deepEqual(answer.lines, ['theirs']);
    assert.match(w.relayed.join(''), /^Received: from c\.test[^]*\r\nSubject: hi\r\n\r\nbody\r\n$/);
    assert.deepEqual(w.submitted, []);
    assert.deepEqual(
      w.events.map((event) => event.kind),
      ['relayed'],
    );
  });
  test('gives the next hop’s refusal of a recipient', async () => {
    const w = world();
    await begin(w, { address: '127.0.0.1' });
    assert.deepEqual((await w.receiver.recipient(to('nobody@edge.test'))).lines, ['theirs']);
  });
  test('and stored mail never share a transaction', async () => {
    for (const [first, second] of [
      ['x@edge.test', 'x@far.test'],
      ['x@far.test', 'x@edge.test'],
    ] as const) {
      const w = world();
      await begin(w, { address: '127.0.0.1' });
      assert.equal((await w.receiver.recipient(to(first))).code, 250);
      assert.equal((await w.receiver.recipient(to(second))).code, 452);
    }
  });
  test('gives the connection up when the transaction is reset', async () => {
    const w = world();
    await begin(w, { address: '127.0.0.1' });
    await w.receiver.recipient(to('x@edge.test'));
    w.receiver.reset();
    assert.deepEqual(w.relayed, ['aborted']);
  });
  test('takes what an alias leads to, and keeps what an alias makes several of', async () => {
    const asked: string[] = [];
    const { next } = relayOf(asked);
    await begin(next);
    assert.equal((await next.receiver.recipient(to('away@local.test'))).code, 250);
    assert.deepEqual(asked, ['x@edge.test']);
    await begin(next);
    assert.equal((await next.receiver.recipient(to('both@local.test'))).code, 250);
    assert.deepEqual(asked, ['x@edge.test']);
    assert.equal(((await send(next)) as Reply).code, 250);
    assert.equal(next.submitted.length, 1);
  });
  test('dials once in a transaction, however many recipients are given', async () => {
    let dialled = 0;
    const w = world({
      openRelay: async () => {
        dialled += 1;
        return reply(451, '4.4.1', 'refused');
      },
    });
    await begin(w, { address: '127.0.0.1' });
    for (let i = 0; i < 5; i += 1) assert.equal((await w.receiver.recipient(to(`x${i}@edge.test`))).code, 451);
    assert.equal(dialled, 1);
  });
  test('gives the next hop’s refusal of the sender, since only that tells the client why', async () => {
    const { next } = relayOf([], reply(550, '5.7.1', 'not from there'));
    await begin(next, { address: '127.0.0.1' });
    assert.deepEqual((await next.receiver.recipient(to('x@edge.test'))).lines, ['not from there']);
    assert.deepEqual(next.relayed, ['aborted']);
  });
  test('answers 451 when the next hop cannot be had', async () => {
    const w = world({ openRelay: async () => reply(451, '4.3.2', 'no lease') });
    await begin(w, { address: '127.0.0.1' });
    assert.equal((await w.receiver.recipient(to('x@edge.test'))).code, 451);
  });
});

/** The same world with a next hop that notes its recipients, and answers the sender as said. */
function relayOf(asked: string[], sender: Reply = reply(250, '2.1.0', 'ok')): { next: World } {
  const next = world({
    openRelay: async () => ({
      host: 'next.test',
      sender: async () => sender,
      recipient: async ({ forwardPath }) => {
        asked.push(formatMailbox(forwardPath));
        return reply(250, '2.1.5', 'ok');
      },
      begin: async () => reply(354, undefined, 'go'),
      write: () => undefined,
      finish: async () => reply(250, '2.0.0', 'theirs'),
      abort: () => void next.relayed.push('aborted'),
    }),
  });
  return { next };
}

test('recipients are bounded, and each is there once', async () => {
  const w = world();
  await begin(w, { address: '127.0.0.1' });
  const codes: number[] = [];
  for (let i = 0; i < 5001; i += 1) codes.push((await w.receiver.recipient(to(`x${i}@far.test`))).code);
  assert.deepEqual([codes.indexOf(452), codes.length], [5000, 5001]);
  const again = world();
  await begin(again, { address: '127.0.0.1' });
  for (let i = 0; i < 6000; i += 1) assert.equal((await again.receiver.recipient(to('x@far.test'))).code, 250);
});

describe('a client that has logged in', () => {
  const identity = { user: 'app', tenant: 'acme', senders: ['sender.test'], limits: {} };

  test('sends to anybody, as its tenant, and the message says who it was', async () => {
    const w = world();
    assert.equal((await begin(w, { address: '198.51.100.9', identity })).code, 250);
    assert.equal((await w.receiver.recipient(to('bob@far.test'))).code, 250);
    await send(w, 'X-Postrider-Tenant: other\r\nSubject: hi\r\n\r\nbody\r\n');
    const [message] = w.submitted;
    assert.equal(message?.envelope.tenant, 'acme');
    assert.equal(message.envelope.client.user, 'app');
    assert.match(w.events.map((event) => JSON.stringify(event)).join('') + message.events.join(''), /"user":"app"/);
  });

  test('of no tenant belongs to none, whatever its header says', async () => {
    const w = world();
    await begin(w, { address: '198.51.100.9', identity: { ...identity, tenant: '' } });
    await w.receiver.recipient(to('bob@far.test'));
    await send(w, 'X-Postrider-Tenant: acme\r\nSubject: hi\r\n\r\nbody\r\n');
    assert.equal(w.submitted[0]?.envelope.tenant, '');
  });

  test('sends as nobody else', async () => {
    const w = world();
    const answer = await begin(w, { identity }, 'ann@other.test');
    assert.equal(answer.code, 550);
    assert.match(answer.lines[0], /app may not send as this address/);
    const [event] = w.events;
    assert.ok(event?.kind === 'rejected');
    assert.equal(event.user, 'app');
  });

  test('without a login the same is refused', async () => {
    const w = world();
    await begin(w, { address: '198.51.100.9' });
    assert.equal((await w.receiver.recipient(to('bob@far.test'))).code, 550);
  });

  test('has its mail made whole, and in nobody else’s name', async () => {
    const w = world();
    await begin(w, { identity });
    await w.receiver.recipient(to('bob@far.test'));
    await send(w, 'Subject: hi\r\n\r\nbody\r\n');
    const { content } = w.submitted[0]!;
    assert.ok(content.kind === 'octets');
    assert.match(Buffer.from(content.octets).toString(), /^From: <ann@sender\.test>\r\nDate: .*\r\nMessage-ID: </m);
    await begin(w, { identity });
    await w.receiver.recipient(to('bob@far.test'));
    const answer = await send(w, 'From: eve@other.test\r\n\r\nbody\r\n');
    assert.equal((answer as Reply).code, 550);
    assert.equal(w.submitted.length, 1);
  });

  describe('after its login', () => {
    const changed = (answer: Authenticated) => {
      const authenticator = { user: () => Promise.resolve(answer) } as unknown as Authenticator;
      const failures = new FailureCounts(timeTable(), () => 0);
      const known = new KnownClients(timeTable(), () => 0);
      return world({ logins: new Logins({ authenticator, failures, known }) });
    };

    test('may not begin anything any more, when it was disabled since', async () => {
      const w = changed({ kind: 'refused' });
      assert.equal((await begin(w, { identity })).code, 530);
      assert.deepEqual(
        w.events.map((event) => event.kind === 'rejected' && [event.stage, event.user]),
        [['sender', 'app']],
      );
    });

    test('may send as the directory says now', async () => {
      const w = changed({ kind: 'identity', identity: { ...identity, senders: ['other.test'] } });
      assert.equal((await begin(w, { identity })).code, 550);
      assert.equal((await begin(w, { identity }, 'ann@other.test')).code, 250);
    });

    test('goes on when the directory cannot be read', async () => {
      const w = changed({ kind: 'unavailable', reason: 'disk' });
      assert.equal((await begin(w, { identity })).code, 250);
    });
  });

  test('keeps to the size and the recipients that it is allowed', async () => {
    const w = world();
    const small = { ...identity, limits: { messageOctets: 100, recipientsPerMessage: 1 } };
    await w.receiver.connect({ ...peer, identity: small });
    const declared = await w.receiver.sender({ ...peer, identity: small }, from('ann@sender.test'), {
      declaredOctets: 101,
    });
    assert.equal(declared.code, 552);
    await begin(w, { identity: small });
    assert.equal((await w.receiver.recipient(to('bob@far.test'))).code, 250);
    const second = await w.receiver.recipient(to('carl@far.test'));
    assert.equal(second.code, 452);
    assert.match(second.lines[0], /recipientsPerMessage/);
    const answer = await send(w, `Subject: hi\r\n\r\n${'x'.repeat(100)}\r\n`);
    assert.equal((answer as Reply).code, 552);
    assert.deepEqual(w.submitted, []);
  });

  test('is not passed through as it is', async () => {
    const w = world();
    await begin(w, { identity });
    assert.equal((await w.receiver.recipient(to('x@edge.test'))).code, 250);
    await send(w);
    assert.equal(w.submitted.length, 1);
  });
});

describe('the form of submissions', () => {
  const identity = { user: 'app', tenant: 'acme', senders: ['sender.test'], limits: {} };
  const submission = { rules: ALL_REPAIRED, networks: true, hideClient: false };
  const client = { address: '127.0.0.1' };

  async function submitted(w: World, from: Partial<Peer>, recipient = 'bob@far.test'): Promise<string> {
    await begin(w, from);
    assert.equal((await w.receiver.recipient(to(recipient))).code, 250);
    await send(w, 'From: eve@other.test\r\nBcc: x@far.test\r\n\r\nbody\r\n');
    const content = w.submitted.at(-1)?.content;
    return content?.kind === 'octets' ? Buffer.from(content.octets).toString() : '';
  }

  test('is that of clients in relay.networks where it is asked for, whoever their mail is from', async () => {
    const formed = await submitted(world({}, { submission }), client);
    assert.match(formed, /^From: eve@other\.test\r\nDate: today\r\nMessage-ID: </m);
    assert.doesNotMatch(formed, /Bcc/);
    const asItCame = await submitted(world(), client);
    assert.match(asItCame, /^From: eve@other\.test\r\nBcc: x@far\.test\r\n\r\nbody/m);
  });

  test('is not that of others', async () => {
    const asItCame = await submitted(world({}, { submission }), { address: '192.0.2.1' }, 'ann@local.test');
    assert.match(asItCame, /^Bcc: /m);
  });

  test('is none of what passes through', async () => {
    const w = world({}, { submission });
    assert.notEqual(await submitted(w, client, 'x@edge.test'), '');
    assert.deepEqual(w.relayed, []);
  });

  test('is refused by the rule that is broken', async () => {
    const w = world({}, { submission: { ...submission, rules: formRules(['missingDate', 'eightBit'], []) } });
    for (const [text, rule] of [
      ['Subject: x\r\n\r\nx\r\n', 'missingDate'],
      ['Date: now\r\n\r\nü\r\n', 'eightBit'],
    ] as const) {
      await begin(w, { identity });
      await w.receiver.recipient(to('bob@far.test'));
      const answer = await send(w, text);
      assert.ok('code' in answer && answer.lines[0].endsWith(`(submission.refuseIf: ${rule})`));
    }
    assert.deepEqual(w.submitted, []);
  });

  test('has no domain without a dot in its envelope where that is refused', async () => {
    const rules = formRules(['unqualifiedDomain'], []);
    const w = world({}, { submission: { ...submission, rules } });
    assert.equal((await begin(w, client, 'ann@printer')).status, '5.1.7');
    assert.equal((await begin(w, client, 'ann@sender.test')).code, 250);
    const refused = await w.receiver.recipient(to('bob@printer'));
    assert.equal(`${refused.code} ${refused.status}`, '554 5.1.3');
    assert.equal((await w.receiver.recipient(to('bob@[192.0.2.1]'))).code, 250);
    assert.equal((await w.receiver.recipient(to('postmaster'))).code, 250);
    const other = world({}, { submission });
    assert.equal((await begin(other, client, 'ann@printer')).code, 250);
    assert.equal((await other.receiver.recipient(to('bob@printer'))).code, 250);
  });

  test('says nothing of the client where it is asked to', async () => {
    const hidden = { submission: { ...submission, hideClient: true } };
    const trace = /^Received: (from c\.test \(\[[^\]]*\]\)\r\n\t)?by us\.test with ESMTP(A?) /;
    const of = async (from: Partial<Peer>, recipient?: string) =>
      trace
        .exec(await submitted(world({}, hidden), from, recipient))
        ?.slice(1)
        .map(Boolean);
    assert.deepEqual(await of(client), [false, false]);
    const shown = trace.exec(await submitted(world({}, { submission }), client))?.[1];
    assert.ok(shown !== undefined, 'only where it is asked to');
    assert.deepEqual(await of({ address: '192.0.2.1' }, 'ann@local.test'), [true, false]);
    const w = world({}, hidden);
    await begin(w, { identity });
    await w.receiver.recipient(to('bob@far.test'));
    await send(w, 'Subject: x\r\n\r\nx\r\n');
    const content = w.submitted[0]?.content;
    assert.ok(content?.kind === 'octets');
    assert.match(Buffer.from(content.octets).toString(), /^Received: by us\.test with ESMTPA id /);
    assert.match(w.submitted[0]!.events.join(''), /"clientAddress":"127\.0\.0\.1"|"clientAddress":"192/);
  });
});
