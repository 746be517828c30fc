/** Priority classes: the higher takes the next free connection. */

export const PRIORITY_CLASSES = ['transactional', 'normal', 'bulk'] as const;

export type PriorityClass = (typeof PRIORITY_CLASSES)[number];
