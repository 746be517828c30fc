import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dispatchOf, type Letter, MX } from '../../../test/lib/delivery.ts';
import { NO_OFFERS, type Offers } from '../../wire/smtp/client-extensions.ts';
import { memoryContent, type OutgoingContent } from '../content.ts';
import { contentFacts, prepare, type Prepared } from './prepare.ts';

/** Content that comes in the given blocks, as a file does. */
function blocksOf(...blocks: readonly string[]): OutgoingContent {
  const octets = blocks.reduce((sum, block) => sum + Buffer.byteLength(block), 0);
  return {
    octets,
    memory: undefined,
    async *blocks() {
      for (const block of blocks) yield Buffer.from(block);
    },
  };
}

describe('what content needs', () => {
  const cases: readonly [name: string, blocks: readonly string[], want: string][] = [
    ['ASCII', ['Subject: x\r\n\r\nHello\r\n'], ''],
    ['8-bit body', ['Subject: x\r\n\r\nGrüße\r\n'], 'eightBit'],
    ['8-bit header', ['Subject: ü\r\n\r\nHello\r\n'], 'eightBit utf8Header'],
    ['no header at all', ['\r\nGrüße\r\n'], 'eightBit'],
    ['no body', ['Subject: ü\r\n'], 'eightBit utf8Header'],
    ['8-bit in a later block of the body', ['Subject: x\r\n\r\n', 'a\r\n', 'ü\r\n'], 'eightBit'],
    ['8-bit in a later block of the header', ['Subject: x\r\n', 'X: ü\r\n\r\n', 'a'], 'eightBit utf8Header'],
    [
      'a line end that begins a block is no end of the header',
      ['Subject: x', '\r\nX: ü\r\n\r\na'],
      'eightBit utf8Header',
    ],
    ['nothing', [''], ''],
  ];
  for (const [name, blocks, want] of cases)
    test(name, async () => {
      const facts = await contentFacts(blocksOf(...blocks));
      assert.equal(Object.entries(facts).flatMap(([fact, is]) => (is ? [fact] : [])).join(' '), want); // prettier-ignore
    });

  test('a file that came as 7-bit is not read again', async () => {
    const unread: OutgoingContent = { ...blocksOf(''), blocks: () => assert.fail('it was read') };
    assert.deepEqual(await contentFacts(unread, 'sevenBit'), { eightBit: false, utf8Header: false });
    const facts = await contentFacts(blocksOf('Subject: x\r\n\r\nGrüße\r\n'), 'unknown');
    assert.deepEqual(facts, { eightBit: true, utf8Header: false });
  });
});

const NOW = Date.UTC(2026, 10, 23);

async function prepared(
  letter: Letter,
  offers: Partial<Offers>,
  protocol: 'smtp' | 'lmtp' = 'smtp',
): Promise<Prepared> {
  const { sender, recipients } = dispatchOf({ ...MX, port: 25 }, letter);
  const content = memoryContent(
    Buffer.from(typeof letter.content === 'string' ? letter.content : 'Subject: x\r\n\r\nHello\r\n'),
  );
  return prepare(
    { sender, recipients, content, facts: await contentFacts(content), now: NOW, protocol },
    { ...NO_OFFERS, ...offers },
    'convert',
  );
}

describe('how a message goes to a server', () => {
  const eightBit = 'Subject: x\r\n\r\nsome Grüße in the text\r\n';
  const cases: readonly [name: string, letter: Letter, offers: Partial<Offers>, want: string][] = [
    ['ASCII is 7BIT whatever was declared', { sender: { body: '8BITMIME' } }, { eightBitMime: true }, '7BIT'],
    ['8-bit is declared even if it was not', { content: eightBit }, { eightBitMime: true }, '8BITMIME'],
    ['8-bit to a 7-bit server is converted', { content: eightBit }, {}, '7BIT'],
    ['binary to a server that takes it', { sender: { body: 'BINARYMIME' } }, { binaryMime: true, chunking: true }, 'BINARYMIME bdat'],
    ['binary that is text in fact', { sender: { body: 'BINARYMIME' } }, {}, '7BIT'],
    ['clean text may go by BDAT', {}, { chunking: true }, '7BIT bdat'],
    ['text with a stray LF may not', { content: 'Subject: x\r\n\r\na\nb\r\n' }, { chunking: true }, '7BIT'],
    ['SMTPUTF8 is asked for where it is declared', { sender: { smtpUtf8: true } }, { smtpUtf8: true }, '7BIT utf8'],
    ['SMTPUTF8 is asked for where it is needed', { content: 'Subject: ü\r\n\r\na\r\n' }, { smtpUtf8: true, eightBitMime: true }, '8BITMIME utf8'],
    ['a UTF-8 reverse-path', { from: 'jörg@us.test' }, {}, 'unfit 5.6.7'],
    ['only UTF-8 recipients', { to: ['jörg@peer.test'] }, {}, 'unfit 5.6.7'],
    ['8-bit under a signature', { content: 'Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nü\r\n--b--\r\n' }, {}, 'unfit 5.6.3'],
  ]; // prettier-ignore
  for (const [name, letter, offers, want] of cases)
    test(name, async () => {
      const result = await prepared(letter, offers);
      if (result.kind === 'unfit') return assert.equal(`unfit ${result.outcome.status}`, want);
      const { sender, bdat } = result.message;
      const words = [sender.body, bdat === 'possible' ? 'bdat' : '', sender.smtpUtf8 ? 'utf8' : ''];
      assert.equal(words.filter((word) => word !== '').join(' '), want);
    });

  test('places tell which recipients go', async () => {
    const result = await prepared({ to: ['a@x', 'ö@x', 'c@x'] }, {});
    assert.ok(result.kind === 'ready');
    assert.deepEqual(result.places, [0, 2]);
    assert.deepEqual([...result.refused.keys()], [1]);
    assert.equal(result.message.recipients.length, 2);
  });
});

describe('DELIVERBY (RFC 2852)', () => {
  const back = { deliverBy: { at: NOW + 90_000, mode: 'return', trace: false } } as const;
  const told = { deliverBy: { at: NOW - 90_000, mode: 'notify', trace: true } } as const;
  const cases = [
    ['what is left of the time is passed on', back, { deliverBy: true }, 'smtp', '90;R'],
    ['a time that is over too', told, { deliverBy: true }, 'smtp', '-90;NT'],
    ['what is to come back in time goes to nobody who would keep it', back, {}, 'smtp', 'unfit 5.3.3'],
    ['but to a mailbox', back, {}, 'lmtp', '90;R'],
    ['and who only wants to hear of it loses no mail', told, {}, 'smtp', '-90;NT'],
    ['nothing asked', {}, { deliverBy: true }, 'smtp', undefined],
  ] as const;
  for (const [name, sender, offers, protocol, want] of cases)
    test(name, async () => {
      const result = await prepared({ sender }, offers, protocol);
      assert.equal(result.kind === 'unfit' ? `unfit ${result.outcome.status}` : result.message.by, want);
    });
});
