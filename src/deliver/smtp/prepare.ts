/**
 * Fits a message to what a server offers, or says why it cannot be.
 *
 * What a message needs is read from its octets and addresses, not from what was declared of it: a message
 * declared SMTPUTF8 or 8BITMIME that is ASCII in fact may go anywhere, and octets above 127 go to no server
 * that does not offer to take them, whatever was said when they came.
 */

import { isAscii } from 'node:buffer';
import { type Instant } from '../../lib/time.ts';
import { downgrade, isDkimSigned, isSevenBit } from '../../mail/downgrade.ts';
import { type BodyType, type Recipient, type SenderParameters } from '../../mail/envelope.ts';
import { headerEnd } from '../../mail/header.ts';
import { type Undelivered } from '../../mail/outcome.ts';
import { type EnhancedStatus } from '../../mail/reply.ts';
import { formatDeliverBy } from '../../mail/sending-times.ts';
import { isCleanText } from '../../wire/smtp/client-content.ts';
import { type Offers } from '../../wire/smtp/client-extensions.ts';
import { type ClientMessage, MAX_CHUNK_OCTETS } from '../../wire/smtp/client-transaction.ts';
import { type OutgoingContent, memoryContent, readWhole } from '../content.ts';
import { ourOutcome } from '../report.ts';

/** What is converted in memory at most. */
const MAX_CONVERTED_OCTETS = 64 * 1024 * 1024;
/** Where the header section must have ended; receiving refuses longer ones. */
const MAX_HEADER_OCTETS = 1024 * 1024;

/** What the octets and addresses need. Found out once for each attempt, however many servers are tried. */
export interface ContentFacts {
  readonly eightBit: boolean;
  readonly utf8Header: boolean;
}

export type Prepared =
  | {
      readonly kind: 'ready';
      readonly message: ClientMessage;
      readonly content: OutgoingContent;
      /** For each recipient of the message its place in the dispatch. */
      readonly places: readonly number[];
      /** By place: recipients whose address the server cannot take. */
      readonly refused: ReadonlyMap<number, Undelivered>;
    }
  /** Another host may offer what this one lacks. */
  | {
      readonly kind: 'unfit';
      readonly outcome: Undelivered;
    };

export interface Outgoing {
  readonly sender: SenderParameters;
  readonly recipients: readonly Recipient[];
  readonly content: OutgoingContent;
  readonly facts: ContentFacts;
  readonly now: Instant;
  /** LMTP: the server is the mailbox. */
  readonly protocol: 'smtp' | 'lmtp';
}

/** Reads the content once, unless it was found to be 7-bit on its arrival; rejects when it cannot be read. */
export function contentFacts(
  content: OutgoingContent,
  known: 'sevenBit' | 'unknown' = 'unknown',
): ContentFacts | Promise<ContentFacts> {
  return known === 'sevenBit' ? SEVEN_BIT : readFacts(content);
}

const SEVEN_BIT: ContentFacts = { eightBit: false, utf8Header: false };

async function readFacts(content: OutgoingContent): Promise<ContentFacts> {
  if (content.memory !== undefined) return factsIn([content.memory]);
  const facts = await factsIn(content.blocks());
  content.done?.();
  return facts;
}

async function factsIn(blocks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<ContentFacts> {
  const facts = { eightBit: false, utf8Header: false };
  let inHeader = true;
  let seen = 0;
  for await (const block of blocks) {
    // An end that falls between two blocks is missed, and more is taken for header than is: careful, never lax.
    const end = seen === 0 ? headerEnd(block) : block.indexOf('\r\n\r\n');
    if (inHeader && seen < MAX_HEADER_OCTETS)
      facts.utf8Header ||= !isAscii(end === -1 ? block : block.subarray(0, end));
    facts.eightBit ||= !isAscii(block);
    if (end !== -1) inHeader = false;
    seen += block.length;
    if (facts.eightBit && !inHeader) break;
  }
  return facts;
}

export async function prepare(
  outgoing: Outgoing,
  offers: Offers,
  convertSigned: 'convert' | 'fail',
): Promise<Prepared> {
  const obstacle = utf8Obstacle(outgoing, offers) ?? timeObstacle(outgoing, offers);
  if (obstacle !== undefined) return { kind: 'unfit', outcome: obstacle };
  const fitted = await fit(outgoing, offers, convertSigned);
  if (fitted.kind === 'unfit') return fitted;
  const { content, body } = fitted;
  const { sender, recipients } = outgoing;
  const places = recipients.flatMap((recipient, place) => (takesAddress(recipient, offers) ? [place] : []));
  return {
    kind: 'ready',
    message: {
      sender: { ...sender, body, smtpUtf8: offers.smtpUtf8 && (sender.smtpUtf8 || needsUtf8(outgoing)) },
      recipients: recipients.filter((recipient) => takesAddress(recipient, offers)),
      octets: content.octets,
      ...(sender.deliverBy && { by: formatDeliverBy(sender.deliverBy, outgoing.now) }),
      bdat: mayGoByBdat(content, offers) ? 'possible' : 'never',
    },
    content,
    places,
    refused: new Map(recipients.flatMap((each, place) => (takesAddress(each, offers) ? [] : [[place, BAD_ADDRESS]]))),
  };
}

function utf8Obstacle({ sender, recipients, facts }: Outgoing, offers: Offers): Undelivered | undefined {
  if (offers.smtpUtf8) return undefined;
  if (!isAsciiText(sender.reversePath?.localPart ?? '')) return noUtf8('the reverse-path');
  if (facts.utf8Header) return noUtf8('the header section');
  return recipients.some((recipient) => takesAddress(recipient, offers)) ? undefined : noUtf8('the address');
}

/** RFC 2852 §4: what is to come back in time may not go to a server that would not send it back. */
function timeObstacle({ sender, protocol }: Outgoing, offers: Offers): Undelivered | undefined {
  if (sender.deliverBy?.mode !== 'return' || offers.deliverBy || protocol === 'lmtp') return undefined;
  const text =
    'the message is to be returned when it is not delivered in time, and the next hop does not offer DELIVERBY';
  return ourOutcome('5.3.3', text, { cause: 'policy' });
}

function needsUtf8({ sender, recipients, facts }: Outgoing): boolean {
  const paths = [sender.reversePath, ...recipients.map(({ forwardPath }) => forwardPath)];
  return facts.utf8Header || paths.some((path) => !isAsciiText(path?.localPart ?? ''));
}

function takesAddress({ forwardPath }: Recipient, offers: Offers): boolean {
  return offers.smtpUtf8 || isAsciiText(forwardPath.localPart);
}

function mayGoByBdat({ memory }: OutgoingContent, offers: Offers): boolean {
  return offers.chunking && memory !== undefined && memory.length <= MAX_CHUNK_OCTETS && isCleanText(memory);
}

type Fitted =
  | { readonly kind: 'fits'; readonly body: BodyType; readonly content: OutgoingContent }
  | Extract<Prepared, { kind: 'unfit' }>;

async function fit(
  { sender, content, facts }: Outgoing,
  offers: Offers,
  convertSigned: 'convert' | 'fail',
): Promise<Fitted> {
  if (sender.body === 'BINARYMIME') {
    if (offers.binaryMime) return { kind: 'fits', body: 'BINARYMIME', content };
    return convert(content, convertSigned);
  }
  if (!facts.eightBit) return { kind: 'fits', body: '7BIT', content };
  if (offers.eightBitMime) return { kind: 'fits', body: '8BITMIME', content };
  return convert(content, convertSigned);
}

async function convert(content: OutgoingContent, convertSigned: 'convert' | 'fail'): Promise<Fitted> {
  if (content.octets > MAX_CONVERTED_OCTETS)
    return unfit('5.6.1', 'the message is too large to be converted for a 7-bit server');
  const octets = await readWhole(content);
  if (isSevenBit(octets)) return { kind: 'fits', body: '7BIT', content };
  if (convertSigned === 'fail' && isDkimSigned(octets))
    return unfit('5.6.3', 'the message is signed, and converting it for a 7-bit server would break the signature');
  const converted = downgrade(octets);
  if (converted.kind === 'impossible') return unfit(converted.status, converted.reason);
  return { kind: 'fits', body: '7BIT', content: memoryContent(converted.octets) };
}

function unfit(status: EnhancedStatus, text: string): Extract<Prepared, { kind: 'unfit' }> {
  return { kind: 'unfit', outcome: ourOutcome(status, text, { cause: 'policy' }) };
}

/** RFC 6531 §3.2, RFC 3463: 5.6.7. */
function noUtf8(what: string): Undelivered {
  return ourOutcome('5.6.7', `${what} is not ASCII, and the next hop does not offer SMTPUTF8`, { cause: 'policy' });
}

const BAD_ADDRESS: Undelivered = { ...noUtf8('the address'), scope: 'recipient' };

const ASCII_TEXT = /^[\0-\x7f]*$/;

function isAsciiText(text: string): boolean {
  return ASCII_TEXT.test(text);
}
