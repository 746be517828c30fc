/**
 * The values of the DSN parameters of MAIL and RCPT (RFC 3461 §4).
 *
 * ORCPT and ENVID are checked and then kept octet for octet: the next hop must see them as we did.
 */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { type Notify } from './envelope.ts';
import { parseMailbox } from './path.ts';
import { decodeUtf8Address, decodeXtext } from './xtext.ts';

const MAX_ORCPT_OCTETS = 500;
const MAX_ENVID_OCTETS = 100;
const ATOM = /^[\w!#$%&'*+\-/=?^`{|}~]+$/;

/** `addr-type;address`. */
export function parseOrcpt(text: string): Parsed<string> {
  if (Buffer.byteLength(text) > MAX_ORCPT_OCTETS) return unparsed('ORCPT is longer than 500 octets');
  const semicolon = text.indexOf(';');
  const type = text.slice(0, Math.max(0, semicolon));
  const address = text.slice(semicolon + 1);
  if (!ATOM.test(type)) return unparsed('ORCPT needs an address type and a semicolon');
  if (address === '') return unparsed('ORCPT has no address');
  const problem = type.toLowerCase() === 'utf-8' ? utf8AddressProblem(address) : reasonOf(decodeXtext(address));
  return problem === undefined ? parsed(text) : unparsed(`ORCPT: ${problem}`);
}

/** NEVER stands alone; nothing stands twice. Case does not matter, order is kept. */
export function parseNotify(text: string): Parsed<readonly Notify[]> {
  // No valid list is longer. Only ASCII: some other letters become ASCII in upper case.
  if (!/^[A-Z,]{1,21}$/i.test(text)) return unparsed('bad NOTIFY');
  const asked: Notify[] = [];
  for (const word of text.toUpperCase().split(',')) {
    if (word !== 'NEVER' && word !== 'SUCCESS' && word !== 'FAILURE' && word !== 'DELAY') return unparsed('bad NOTIFY');
    if (asked.includes(word)) return unparsed(`${word} stands twice in NOTIFY`);
    asked.push(word);
  }
  return asked.includes('NEVER') && asked.length > 1 ? unparsed('NEVER stands alone in NOTIFY') : parsed(asked);
}

/** xtext of printable ASCII and white space. */
export function parseEnvid(text: string): Parsed<string> {
  if (text === '') return unparsed('ENVID is empty');
  if (text.length > MAX_ENVID_OCTETS) return unparsed('ENVID is longer than 100 octets');
  const meaning = decodeXtext(text);
  if (!meaning.ok) return unparsed(`ENVID: ${meaning.reason}`);
  return /^[\t -~]*$/.test(meaning.value) ? parsed(text) : unparsed('ENVID encodes what is not ASCII');
}

export function parseRet(text: string): Parsed<'FULL' | 'HDRS'> {
  const word = /^[A-Z]{4}$/i.test(text) ? text.toUpperCase() : '';
  return word === 'FULL' || word === 'HDRS' ? parsed(word) : unparsed('RET is FULL or HDRS');
}

/** RFC 6533 §3 allows the address encoded or, with SMTPUTF8, as it is. */
function utf8AddressProblem(address: string): string | undefined {
  const encoded = decodeUtf8Address(address);
  return encoded.ok || parseMailbox(address).ok ? undefined : encoded.reason;
}

function reasonOf(result: Parsed<unknown>): string | undefined {
  return result.ok ? undefined : result.reason;
}
