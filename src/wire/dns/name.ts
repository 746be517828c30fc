/** DNS names as text: labels joined by dots, without the final one; the root is `''`. */

const LABEL = /^[!-[\]-~]{1,63}$/;
const MAX_TEXT = 253;

/** The name can be put into a message as it is written: no escapes, no empty label, no final dot. */
export function isEncodable(name: string): boolean {
  return name === '' || (name.length <= MAX_TEXT && name.split('.').every((label) => LABEL.test(label)));
}
