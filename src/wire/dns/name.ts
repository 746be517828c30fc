/** DNS names as text: compared without case, the root is `''`. */

const LABEL = /^[!-[\]-~]{1,63}$/;
const MAX_TEXT = 253;

/** The name can be put into a message as it is written: no escapes, no empty label, no final dot. */
export function isEncodable(name: string): boolean {
  return name === '' || (name.length <= MAX_TEXT && name.split('.').every((label) => LABEL.test(label)));
}

export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
