/** Whether what a power cut left keeps the promises that had been made by then. Pure. */

import { type Happening, type Mail, type Recording } from './recording.ts';

/** A message in the spool. */
export interface FoundMessage {
  readonly id: string;
  /** `''` is the null reverse-path. */
  readonly sender: string;
  /** Recipients in its entries. */
  readonly open: readonly string[];
  /** Recipients whose notices wait. */
  readonly notices: readonly string[];
  readonly octets: number;
  /** Of as many octets at its end as the mail had that was sent: in front of them stand trace fields. */
  readonly sha256: string;
  /** What stands in front of them. */
  readonly front: string;
}

export interface FoundLine {
  readonly sequence: number;
  readonly n: number;
  readonly line: string;
}

export interface Found {
  readonly messages: readonly FoundMessage[];
  /** Lines of commits, in the log. */
  readonly log: readonly FoundLine[];
  /** And those that are still in the outbox. */
  readonly outbox: readonly FoundLine[];
  /** Recipients whose mailbox on this machine has their message, whole. */
  readonly boxes: readonly string[];
  /** Of the latest commit with events. */
  readonly sequence: number;
  /** What the spool's own check and the log's own reader found to be wrong. */
  readonly problems: readonly string[];
}

/** What was known outside when the power went. */
export interface Promised {
  readonly answered: ReadonlySet<string>;
  readonly at: number;
}

export class Judge {
  readonly #recording: Recording;
  readonly #mails: ReadonlyMap<string, Mail>;
  readonly #happened = new Map<string, Happening>();
  readonly #lines = new Map<number, string[]>();

  constructor(recording: Recording) {
    this.#recording = recording;
    this.#mails = new Map(recording.mails.map((mail) => [mail.id, mail]));
    for (const happening of recording.happenings) {
      const key = `${happening.kind} ${happening.recipient}`;
      if (!this.#happened.has(key)) this.#happened.set(key, happening);
    }
    for (const [key, line] of Object.entries(recording.events)) {
      const [sequence = 0, n = 0] = key.split('/').map(Number);
      const lines = this.#lines.get(sequence) ?? [];
      lines[n] = line;
      this.#lines.set(sequence, lines);
    }
  }

  /** Each broken promise in words. */
  verdict(found: Found, promised: Promised): readonly string[] {
    return [
      ...found.problems,
      ...found.messages.flatMap((message) => this.#strange(message)),
      ...this.#recording.mails
        .filter(({ id }) => promised.answered.has(id))
        .flatMap((mail) => this.#lost(mail, found, promised)),
      ...this.#eventsLost(found),
      ...this.#eventsInvented(found),
    ];
  }

  #strange({ id, sender, open, octets, sha256, front }: FoundMessage): readonly string[] {
    const mail = this.#mails.get(id);
    if (mail === undefined) {
      const about = this.#recording.mails.some((other) => open.includes(other.sender));
      return sender === '' && about
        ? []
        : [`message ${id} from <${sender}> to ${open} is in the spool: nobody sent it`];
    }
    const others = open.filter((recipient) => !mail.recipients.includes(recipient));
    const isWhole = sha256 === mail.sha256 && /^(?:Received: (?:[^\r\n]|\r\n\t)*\r\n)?$/.test(front);
    return [
      ...others.map((recipient) => `message ${id} waits for ${recipient}, for whom it was not`),
      ...(isWhole ? [] : [`message ${id} to ${mail.recipients} is not as it was sent: ${octets} octets`]),
    ];
  }

  #lost(mail: Mail, found: Found, { at }: Promised): readonly string[] {
    const stored = found.messages.find(({ id }) => id === mail.id);
    const by = (kind: Happening['kind'], recipient: string): boolean =>
      (this.#happened.get(`${kind} ${recipient}`)?.at ?? Infinity) <= at;
    const isTold = (recipient: string): boolean =>
      stored?.notices.includes(recipient) === true ||
      found.messages.some(({ sender, open }) => sender === '' && open.includes(mail.sender)) ||
      by('taken', mail.sender);
    const isSafe = (recipient: string): boolean =>
      stored?.open.includes(recipient) === true ||
      by('taken', recipient) ||
      found.boxes.includes(recipient) ||
      by('removed', recipient) ||
      (by('refused', recipient) && isTold(recipient));
    return mail.recipients
      .filter((recipient) => !isSafe(recipient))
      .map((recipient) => `message ${mail.id} to ${recipient} was answered with 250 and is lost`);
  }

  /** Each line of each commit is in the log or in the outbox. */
  #eventsLost({ sequence: last, log, outbox }: Found): readonly string[] {
    const there = new Set([...log, ...outbox].map(({ sequence, n, line }) => `${sequence}/${n} ${line}`));
    const lost: string[] = [];
    for (let sequence = 1; sequence <= last; sequence += 1) {
      const lines = this.#lines.get(sequence) ?? [];
      if (lines.length === 0) lost.push(`events ${sequence} are nowhere`);
      for (const [n, line] of lines.entries())
        if (!there.has(`${sequence}/${n} ${line}`)) lost.push(`event ${sequence}/${n} of ${last} is lost: ${line}`);
    }
    return lost;
  }

  #eventsInvented({ sequence: last, log, outbox }: Found): readonly string[] {
    const isKnown = ({ sequence, n, line }: FoundLine): boolean => this.#lines.get(sequence)?.[n] === line;
    return [
      ...log
        .filter(({ sequence }) => sequence > last)
        .map(({ sequence, line }) => `the log has event ${sequence}, the spool only ${last}: ${line}`),
      // A line that is torn is passed over by every reader; it is still in the outbox, or it was not committed.
      ...[...log.filter(({ line }) => isJson(line)), ...outbox]
        .filter((line) => !isKnown(line))
        .map(({ sequence, n, line }) => `event ${sequence}/${n} never happened: ${line}`),
    ];
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    // What readers of the log do with it as well.
    return false;
  }
}
