/**
 * Suspensions, holds and reroutes, asked when a window opens and at each dispatch.
 *
 * A rule is found by its most telling exact part, so that a thousand rules about messages cost a dispatch
 * nothing; rules with patterns alone are tried one by one.
 */

import { type Instant } from '../lib/time.ts';
import { type QueueNameParts } from '../mail/queue-name.ts';
import { type Rule, type RuleTarget } from '../mail/rule.ts';
import { addressPattern, type AddressTest } from '../mail/address-pattern.ts';

/** What a rule is held against. What is not known yet is absent, and a rule that names it does not match. */
export interface RuleSubject {
  readonly queue: QueueNameParts;
  readonly message?: string;
  readonly site?: string;
  readonly source?: string;
  /** As text; `''` is the null reverse-path. */
  readonly sender?: string | undefined;
  readonly recipients?: readonly string[];
}

export type RuleDecision =
  | { readonly kind: 'go' }
  | { readonly kind: 'suspended'; readonly rule: Rule; readonly until: Instant | undefined }
  | { readonly kind: 'held'; readonly rule: Rule }
  | { readonly kind: 'rerouted'; readonly rule: Rule; readonly route: string };

interface Compiled {
  readonly rule: Rule;
  readonly sender: AddressTest | undefined;
  readonly recipient: AddressTest | undefined;
}

const EXACT_PARTS = ['message', 'site', 'domain', 'campaign', 'tenant', 'source'] as const;

export class Rules {
  readonly #byId = new Map<string, Compiled>();
  /** By `part value` of the first exact part that the rule names; `''` for rules without. */
  readonly #index = new Map<string, Set<Compiled>>();

  constructor(rules: readonly Rule[] = []) {
    for (const rule of rules) this.put(rule);
  }

  /** The highest epoch of any rule that is in force. */
  get epoch(): number {
    let epoch = 0;
    for (const { rule } of this.#byId.values()) epoch = Math.max(epoch, rule.epoch);
    return epoch;
  }

  get size(): number {
    return this.#byId.size;
  }

  list(): readonly Rule[] {
    return [...this.#byId.values()].map(({ rule }) => rule);
  }

  put(rule: Rule): void {
    this.remove(rule.id);
    const { sender, recipient } = rule.target;
    const compiled: Compiled = {
      rule,
      sender: sender === undefined ? undefined : addressPattern(sender),
      recipient: recipient === undefined ? undefined : addressPattern(recipient),
    };
    this.#byId.set(rule.id, compiled);
    const key = indexKey(rule.target);
    const same = this.#index.get(key);
    if (same === undefined) this.#index.set(key, new Set([compiled]));
    else same.add(compiled);
  }

  remove(id: string): Rule | undefined {
    const compiled = this.#byId.get(id);
    if (compiled === undefined) return undefined;
    this.#byId.delete(id);
    const key = indexKey(compiled.rule.target);
    const same = this.#index.get(key);
    same?.delete(compiled);
    if (same?.size === 0) this.#index.delete(key);
    return compiled.rule;
  }

  /** Ends the rules whose time has come, and says which. */
  expire(now: Instant): readonly Rule[] {
    const ended = this.list().filter(({ until }) => until !== undefined && until <= now);
    for (const { id } of ended) this.remove(id);
    return ended;
  }

  /** When the next rule ends by itself. */
  nextEnd(): Instant | undefined {
    let next: Instant | undefined;
    for (const { rule } of this.#byId.values())
      if (rule.until !== undefined && (next === undefined || rule.until < next)) next = rule.until;
    return next;
  }

  /** Hold before suspension before reroute; of two suspensions the one that lasts longer. */
  decide(subject: RuleSubject, now: Instant): RuleDecision {
    let decision: RuleDecision = { kind: 'go' };
    for (const rule of this.matching(subject, now)) {
      if (rule.kind === 'hold') return { kind: 'held', rule };
      if (rule.kind === 'suspend') decision = longer(decision, rule);
      else if (decision.kind === 'go' && rule.route !== undefined)
        decision = { kind: 'rerouted', rule, route: rule.route };
    }
    return decision;
  }

  /** Every rule that bears on the subject: what `explain` lists. */
  matching(subject: RuleSubject, now: Instant): readonly Rule[] {
    if (this.#byId.size === 0) return [];
    const found: Rule[] = [];
    for (const key of keysOf(subject))
      for (const compiled of this.#index.get(key) ?? [])
        if (matches(compiled, subject) && (compiled.rule.until ?? Infinity) > now) found.push(compiled.rule);
    return found;
  }
}

function longer(decision: RuleDecision, rule: Rule): RuleDecision {
  if (decision.kind === 'suspended' && (decision.until ?? Infinity) >= (rule.until ?? Infinity)) return decision;
  return { kind: 'suspended', rule, until: rule.until };
}

function indexKey(target: RuleTarget): string {
  const part = EXACT_PARTS.find((name) => target[name] !== undefined);
  return part === undefined ? '' : `${part} ${target[part]}`;
}

function keysOf(subject: RuleSubject): readonly string[] {
  const keys = EXACT_PARTS.flatMap((part) => partsOf(subject, part).map((value) => `${part} ${value}`));
  return ['', ...keys];
}

/** What is known of a part. Of domains that of the queue (a next hop, when mail goes to one) and those of the recipients. */
function partsOf(subject: RuleSubject, part: (typeof EXACT_PARTS)[number]): readonly string[] {
  const { queue, recipients = [] } = subject;
  if (part === 'campaign' || part === 'tenant') return [queue[part]];
  if (part === 'domain') return [...new Set([queue.domain, ...recipients.map(domainOf)])];
  const value = subject[part];
  return value === undefined ? [] : [value];
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}

function matches({ rule: { target }, sender, recipient }: Compiled, subject: RuleSubject): boolean {
  for (const part of EXACT_PARTS) {
    const wanted = target[part];
    if (wanted !== undefined && !partsOf(subject, part).includes(wanted)) return false;
  }
  if (sender !== undefined && (subject.sender === undefined || !sender(subject.sender))) return false;
  return recipient === undefined || (subject.recipients?.some(recipient) ?? false);
}
