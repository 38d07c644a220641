/**
 * What each byte of a head may be, one bit a class, so that a scan costs one table look-up a byte. The sets are those of
 * RFC 9110 and RFC 9112 or smaller: what is not in them is refused, never repaired.
 */

/** Of a method or a header's name: `token` in RFC 9110, section 5.6.2. */
export const TOKEN = 1
/** Of a header's value: visible ASCII, space, tab and bytes above ASCII (section 5.5). No other control character. */
export const VALUE = 2
/** Of a request target: visible ASCII without `#`, which no target has (RFC 9112, section 3.2). */
export const TARGET = 4
/** Of a Host: names, IPv4, `[IPv6]` and a port (RFC 3986, section 3.2.2, without percent-encoding and user info). */
export const HOST = 8
export const DIGIT = 16
export const HEX = 32

export const CLASSES: Uint8Array = classify()

/** Lower case, and `_` read as `-`: CGI-like servers do that, so an imitated name must be known in that spelling too. */
export const SPELLING: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x41 && byte <= 0x5a) return byte + 0x20
  return byte === 0x5f ? 0x2d : byte
})

export const CR = 0x0d
export const LF = 0x0a
export const SPACE = 0x20
export const TAB = 0x09
export const COLON = 0x3a
export const UNDERSCORE = 0x5f

function classify(): Uint8Array {
  const classes = new Uint8Array(256)
  const add = (characters: string, bits: number) => {
    for (const character of characters) classes[character.charCodeAt(0)]! |= bits
  }
  const digits = '0123456789'
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  add(digits, DIGIT | HEX)
  add('abcdefABCDEF', HEX)
  add(`${digits}${letters}!#$%&'*+-.^_\`|~`, TOKEN)
  add(`${digits}${letters}-._~:[]`, HOST)
  for (let byte = 0x21; byte <= 0x7e; byte++) classes[byte]! |= VALUE | TARGET
  classes[0x23]! &= ~TARGET
  for (let byte = 0x80; byte <= 0xff; byte++) classes[byte]! |= VALUE
  add(' \t', VALUE)
  return classes
}
