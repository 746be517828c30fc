/** What the rules on submitted mail are called, and what becomes of a message that breaks one. */

/** Put right when they are broken. */
export const REPAIRABLE_RULES = [
  'missingFrom',
  'missingDate',
  'missingMessageId',
  'missingMimeVersion',
  'unqualifiedDomain',
  'bcc',
  'forgedTrace',
  'longLine',
  'eightBit',
] as const;

export const FORM_RULES = [...REPAIRABLE_RULES, 'returnPath', 'severalFrom', 'repeatedField'] as const;

export type FormRule = (typeof FORM_RULES)[number];

export type RuleOutcome = 'refuse' | 'repair' | 'leave';
export type FormRules = Readonly<Record<FormRule, RuleOutcome>>;

/** What both sets have is refused. */
export function formRules(refuseIf: readonly FormRule[], repairIf: readonly FormRule[]): FormRules {
  const outcome = (rule: FormRule): RuleOutcome => {
    if (refuseIf.includes(rule)) return 'refuse';
    return repairIf.includes(rule) ? 'repair' : 'leave';
  };
  return Object.fromEntries(FORM_RULES.map((rule) => [rule, outcome(rule)])) as FormRules;
}

/** Of local programs, which nobody could tell of a refusal. */
export const ALL_REPAIRED = formRules([], REPAIRABLE_RULES);
