/** Why an entry is where it is. The list is closed: every waiting entry carries exactly one of these. */

export const HOLD_REASONS = {
  new: 'accepted, not tried yet',
  scheduled: 'its sender wants it to go at a later time',
  greylisted: 'the receiver asked to come back later (greylisting)',
  mailboxFull: "the recipient's mailbox is full",
  rateLimited: 'the receiver limits how much it takes from us',
  reputation: 'the receiver doubts our reputation',
  content: 'the receiver objects to the content',
  policy: 'a policy of the receiver or of ours',
  badAddress: 'the receiver doubts the address',
  dns: 'the destination could not be looked up',
  connection: 'the next hop could not be reached or hung up',
  tls: 'no acceptable encryption with the next hop',
  protocol: 'the next hop did not keep to the protocol',
  local: 'a problem on this machine',
  transient: 'the receiver gave another temporary refusal',
  held: 'held by an operator or a rule',
  crashLoop: 'held because it was in flight at two deaths of a worker',
} as const;

export type HoldReason = keyof typeof HOLD_REASONS;
