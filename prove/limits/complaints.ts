/** What the product wrote that a product in good order does not write. */

/** Errors of its own, and warnings of Node.js: one of too many listeners is a leak. */
export function complaintsIn(output: string): readonly string[] {
  return output.split('\n').filter((line) => /\b(?:error|fatal)\b|Warning\b/.test(line));
}
