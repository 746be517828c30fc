/** Text of strangers, to be shown to people: addresses and replies may hold anything. */

// Controls, and the marks that turn the direction of text.
// oxlint-disable-next-line no-control-regex -- control characters are what is replaced
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** Cannot move a cursor, forge a line or turn what stands beside it. */
export function shownText(text: string): string {
  return text.replaceAll(UNSEEN, '\u{fffd}');
}
