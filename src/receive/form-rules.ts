/**
 * The form of mail that is submitted here, as rules that a message breaks or does not (RFC 6409 §6, §8): for each, a message
 * that breaks it is refused, put right, or left as it is.
 */

import { hasDomain } from '../mail/address-list.ts';
import { type HeaderField } from '../mail/header.ts';
import { HeaderSection } from '../mail/header-section.ts';
import { parseQueueId } from '../mail/queue-id.ts';
import { type EnhancedStatus, type Reply, reply } from '../mail/reply.ts';
import { type FormRule, type FormRules } from './form-rule-names.ts';
import { ADDRESS_FIELDS } from './header-completion.ts';

export interface HeaderForm {
  readonly section: HeaderSection;
  /** Our own. */
  readonly hostname: string;
}

/** What is wrong by a rule of the header section: the text for its sender, and more than 550 5.6.0 where there is more to say. */
interface Wrong {
  readonly what: string;
  readonly code?: number;
  readonly status?: EnhancedStatus;
}

type Check = (form: HeaderForm) => Wrong | undefined;

/** RFC 5322 §3.6: at most once. */
const ONCE = new Map(
  ['Date', 'Sender', 'Reply-To', 'To', 'Cc', 'Message-ID', 'In-Reply-To', 'References', 'Subject'].map(
    (name) => [name.toLowerCase(), name] as const,
  ),
);

const CHECKS: Readonly<Partial<Record<FormRule, Check>>> = {
  missingFrom: (form) => missing(form, 'From'),
  missingDate: (form) => missing(form, 'Date'),
  missingMessageId: (form) => missing(form, 'Message-ID'),
  missingMimeVersion: ({ section }) => wrongIf(lacksMimeVersion(section), 'The message has no MIME-Version field'),
  unqualifiedDomain: ({ section }) => firstOf(section, (field) => unqualified(section, field)),
  bcc: ({ section }) => wrongIf(section.has('bcc') || section.has('resent-bcc'), 'The message has a Bcc field'),
  returnPath: ({ section }) => wrongIf(section.has('return-path'), 'The message has a Return-Path field'),
  forgedTrace: (form) => firstOf(form.section, (field) => forged(form, field)),
  severalFrom: ({ section }) => wrongIf(countOf(section, 'from') > 1, 'More than one From field'),
  repeatedField: ({ section }) => {
    const again = [...ONCE].find(([name]) => countOf(section, name) > 1);
    return again && { what: `More than one ${again[1]} field` };
  },
};

/** The refusal by the first rule that is broken. */
export function formRefusal(form: HeaderForm, rules: FormRules): Reply | undefined {
  for (const [rule, check] of Object.entries(CHECKS) as readonly (readonly [FormRule, Check])[]) {
    if (rules[rule] !== 'refuse') continue;
    const wrong = check(form);
    if (wrong !== undefined) return refusal(wrong, `refuseIf: ${rule}`);
  }
  return undefined;
}

/** Of a header section that was put right: an address that was to get a domain has none. Of what is sent again, the Resent fields. */
export function unrepairedRefusal(section: HeaderSection, rules: FormRules): Reply | undefined {
  if (rules.unqualifiedDomain !== 'repair') return undefined;
  const { fields, isResent } = section;
  const written = isResent ? fields.filter(({ name }) => name.startsWith('resent-')) : fields;
  const bare = written.find((field) => firstAddress(section, field, (address) => !hasDomain(address)) !== undefined);
  return bare && refusal(shortIn(section, bare, 'no domain, and cannot get one'), 'repairIf: unqualifiedDomain');
}

function refusal({ what, code = 550, status = '5.6.0' }: Wrong, by: string): Reply {
  return reply(code, status, `${what} (submission.${by})`);
}

/** The rules that were broken and are not any more. */
export function repairedRules(before: HeaderForm, after: HeaderForm, rules: FormRules): readonly FormRule[] {
  const entries = Object.entries(CHECKS) as readonly (readonly [FormRule, Check])[];
  return entries
    .filter(([rule, check]) => rules[rule] === 'repair' && check(before) !== undefined && check(after) === undefined)
    .map(([rule]) => rule);
}

/** The section without what somebody else wrote in our name. */
export function withoutForgedTrace(form: HeaderForm): HeaderSection {
  const { section } = form;
  const { octets } = section;
  const kept: Buffer[] = [];
  let at = 0;
  for (const field of section.fields) {
    if (!isForged(form, field)) continue;
    kept.push(octets.subarray(at, field.start));
    at = field.end;
  }
  return at === 0 ? section : new HeaderSection(Buffer.concat([...kept, octets.subarray(at)]));
}

export function lacksMimeVersion(section: HeaderSection): boolean {
  const isMime = section.has('content-type') || section.has('content-transfer-encoding');
  return isMime && !section.has('mime-version');
}

/** Of what is sent again, the Resent field. */
function missing({ section }: HeaderForm, name: string): Wrong | undefined {
  const wanted = section.isResent ? `Resent-${name}` : name;
  return wrongIf(!section.has(wanted.toLowerCase()), `The message has no ${wanted} field`);
}

/** An address without a domain, or one that is no domain of the internet. */
function unqualified(section: HeaderSection, field: HeaderField): Wrong | undefined {
  const short = firstAddress(section, field, (address) => !isQualified(address));
  if (short === undefined) return undefined;
  return shortIn(section, field, hasDomain(short) ? 'a domain without a dot' : 'no domain');
}

function firstAddress(
  section: HeaderSection,
  field: HeaderField,
  is: (address: string) => boolean,
): string | undefined {
  if (!ADDRESS_FIELDS.has(field.name)) return undefined;
  const list = section.addresses(field);
  return list.ok ? list.value.find(({ address }) => is(address))?.address : undefined;
}

function shortIn({ octets }: HeaderSection, field: HeaderField, lack: string): Wrong {
  const name = octets.toString('latin1', field.start, field.valueStart - 1).trimEnd();
  // RFC 6409 §4.2 has 554 for it.
  const status = /from|sender/.test(field.name) ? '5.1.7' : '5.1.3';
  return { what: `An address in ${name} has ${lack}`, code: 554, status };
}

function isQualified(address: string): boolean {
  const at = address.lastIndexOf('@');
  return at !== -1 && /^(?:\[[^\]]*\]|[^".]+\.[^"]+)$/.test(address.slice(at + 1));
}

const RESULTS_FIELDS = new Set(['authentication-results', 'arc-authentication-results']);

/**
 * Written in our name, and not by us: results of authentication (RFC 8601 §5), and trace fields unlike ours. Those that could be
 * ours stay, since it is by them that a loop is seen.
 */
function isForged({ section, hostname }: HeaderForm, field: HeaderField): boolean {
  const value = (): string => section.value(field).toLowerCase();
  const ours = hostname.toLowerCase();
  // Whose they are stands first, as a token or in quotes, with comments around it (RFC 8601 §2.2).
  if (RESULTS_FIELDS.has(field.name))
    return withoutComments(value())
      .split(/[\s;/]+/)
      .includes(ours);
  if (field.name !== 'received') return false;
  const [, by, id = ''] = /(?:^|\s)by\s+([^\s;()]+)(?:.*?\sid\s+([^\s;]+))?/.exec(value()) ?? [];
  return by === ours && parseQueueId(id) === undefined;
}

/** Without quotes, too. Comments nest. */
function withoutComments(text: string): string {
  let depth = 0;
  let kept = '';
  for (const [part = ''] of text.matchAll(/\\[\s\S]|[()"]|[^\\()"]+|\\$/g)) {
    if (part === '(') depth += 1;
    else if (part === ')') depth = Math.max(0, depth - 1);
    else if (depth === 0 && part !== '"') kept += part.replace(/^\\/, '');
    if (depth > 0 && !kept.endsWith(' ')) kept += ' ';
  }
  return kept;
}

function forged(form: HeaderForm, field: HeaderField): Wrong | undefined {
  if (!isForged(form, field)) return undefined;
  const which = field.name === 'received' ? 'A Received field' : 'Authentication-Results';
  return { what: `${which} of the message came in the name of this server`, status: '5.7.1' };
}

function wrongIf(is: boolean, what: string): Wrong | undefined {
  return is ? { what } : undefined;
}

function firstOf({ fields }: HeaderSection, of: (field: HeaderField) => Wrong | undefined): Wrong | undefined {
  for (const field of fields) {
    const found = of(field);
    if (found !== undefined) return found;
  }
  return undefined;
}

function countOf({ fields }: HeaderSection, wanted: string): number {
  return fields.filter(({ name }) => name === wanted).length;
}
