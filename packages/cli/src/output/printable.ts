/**
 * Text from elsewhere, made safe for a terminal. Tenant names, error texts and reasons come from outside, and a terminal
 * obeys control characters: one in a tenant's name could rewrite what an operator reads.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Control characters and marks that turn the direction of text become `\u{…}`; new lines and tabs stay. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** The same on one line. */
export function printableLine(text: string): string {
  return printable(text).replace(/[\n\t]+/g, ' ')
}
