/**
 * How a partition key is read out of a name, a path, a query or a cookie.
 *
 * Each of these texts is read again by the service behind the router, with a parser that nobody here chose. So what two
 * parsers read differently is no key but an error: a name given twice (first wins here, last wins there), a name that is
 * percent-encoded to the one looked for, a `;` that some take for `&`, quotes that some strip and some keep. Otherwise a
 * client could have its request routed for one tenant and answered for another.
 *
 * All of it is one pass without patterns, and linear in the text whatever a client sends.
 */

/** Handed on as it is, so that a refusal allocates nothing. */
export type InvalidKey = { readonly kind: 'invalid'; readonly why: string }

/** The key, why there is none though it was meant to be one, or undefined where nothing was meant. */
export type KeyText = string | InvalidKey | undefined

const invalid = (why: string): InvalidKey => ({ kind: 'invalid', why })

const ESCAPE_INVALID = invalid('the partition key is not percent-encoded UTF-8; expected %XX for each byte')
const NOT_ESCAPED = invalid(
  'the partition key has a character that a URL cannot have; expected it percent-encoded',
)
const DOT_SEGMENT = invalid('the partition key is a dot segment, which names another place in the path')
const PARAMETER_TWICE = invalid('the parameter that holds the partition key is given twice; expected it once')
const PARAMETER_ESCAPED = invalid(
  'the name of the parameter that holds the partition key is percent-encoded; expected it as it is',
)
const PARAMETER_AT_SEMICOLON = invalid(
  'the parameter that holds the partition key is next to a ";", which not every server takes as part of it; expected "&", or %3B',
)
const COOKIE_TWICE = invalid('the cookie that holds the partition key is given twice; expected it once')
const COOKIE_INVALID = invalid(
  'the cookie that holds the partition key has quotes, white space or another character that RFC 6265 does not allow; expected a bare value',
)
const COOKIE_BESIDE_QUOTE = invalid(
  'the cookie header has an opening quote without its end, in which not every server sees the partition key',
)

const TAB = 0x09
const SPACE = 0x20
const QUOTE = 0x22
const HASH = 0x23
const PERCENT = 0x25
const AMPERSAND = 0x26
const COMMA = 0x2c
const DOT = 0x2e
const SLASH = 0x2f
const COLON = 0x3a
const SEMICOLON = 0x3b
const EQUALS = 0x3d
const QUESTION = 0x3f
const BACKSLASH = 0x5c

/** One label below the domain, in lower case; deeper names are somebody else's. `host` may have a port and a final dot. */
export function labelBelow(host: string, domain: string): string | undefined {
  let end = endOfName(host)
  if (end > 0 && host.charCodeAt(end - 1) === DOT) end--
  const start = end - domain.length
  if (start < 1 || host.charCodeAt(start - 1) !== DOT) return undefined
  for (let i = 0; i < domain.length; i++) {
    if (lowerCode(host.charCodeAt(start + i)) !== lowerCode(domain.charCodeAt(i))) return undefined
  }
  for (let at = 0; at < start - 1; at++) if (host.charCodeAt(at) === DOT) return undefined
  return lowerCase(host.slice(0, start - 1))
}

/** The path segment after the prefix, percent-decoded once. */
export function segmentAfter(target: string, prefix: string): KeyText {
  if (!target.startsWith(prefix)) return undefined
  let end = prefix.length
  for (; end < target.length; end++) {
    const code = target.charCodeAt(end)
    if (code === SLASH || code === QUESTION || code === HASH) break
  }
  const segment = unescaped(target.slice(prefix.length, end))
  return segment === '.' || segment === '..' ? DOT_SEGMENT : segment
}

/** The value of a parameter of the query, percent-decoded once; `+` stays `+`. Without `=` it is empty. */
export function parameterOf(target: string, name: string): KeyText {
  const first = target.indexOf('?') + 1
  if (first === 0) return undefined
  let valueStart = -1
  let valueEnd = -1
  for (let start = first, end = first; start <= target.length; start = end + 1) {
    let equals = -1
    for (end = start; end < target.length; end++) {
      const code = target.charCodeAt(end)
      if (code === AMPERSAND || code === SEMICOLON || code === HASH) break
      if (code === EQUALS && equals < 0) equals = end
    }
    const nameEnd = equals < 0 ? end : equals
    if (spells(target, start, nameEnd, name)) {
      if (nameEnd - start !== name.length) return PARAMETER_ESCAPED
      if (valueStart >= 0) return PARAMETER_TWICE
      if (target.charCodeAt(end) === SEMICOLON || target.charCodeAt(start - 1) === SEMICOLON) {
        return PARAMETER_AT_SEMICOLON
      }
      valueStart = equals < 0 ? end : equals + 1
      valueEnd = end
    }
    if (target.charCodeAt(end) === HASH) break
  }
  return valueStart < 0 ? undefined : unescaped(target.slice(valueStart, valueEnd))
}

/** The value of a cookie, as it is: RFC 6265 knows no encoding of it. Names are told apart by case. */
export function cookieOf(header: string, name: string): KeyText {
  let value: string | undefined
  let hasOpenQuote = false
  for (let at = 0, next = 0; at <= header.length; at = next + 1) {
    let start = at
    while (isBlank(header.charCodeAt(start))) start++
    let equals = -1
    for (next = start; next < header.length && header.charCodeAt(next) !== SEMICOLON; next++) {
      if (equals < 0 && header.charCodeAt(next) === EQUALS) equals = next
    }
    let end = next
    while (end > start && isBlank(header.charCodeAt(end - 1))) end--
    const nameEnd = equals < 0 ? end : equals
    if (equals >= 0 && header.charCodeAt(equals + 1) === QUOTE) {
      hasOpenQuote ||= end === equals + 2 || header.charCodeAt(end - 1) !== QUOTE
    }
    if (!header.startsWith(name, start) || start + name.length > nameEnd) continue
    let afterName = start + name.length
    while (isBlank(header.charCodeAt(afterName))) afterName++
    if (afterName < nameEnd) continue
    if (value !== undefined) return COOKIE_TWICE
    if (nameEnd > start + name.length) return COOKIE_INVALID
    value = equals < 0 ? '' : header.slice(equals + 1, end)
  }
  if (value === undefined) return undefined
  if (hasOpenQuote) return COOKIE_BESIDE_QUOTE
  return isCookieValue(value) ? value : COOKIE_INVALID
}

/** A–Z to a–z and nothing else; the same string where there is none. */
export function lowerCase(text: string): string {
  let hasUpper = false
  let seen = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    seen |= code
    if (isUpper(code)) hasUpper = true
  }
  if (!hasUpper) return text
  // `toLowerCase` is faster by far, and knows more letters.
  return seen < 0x80 ? text.toLowerCase() : text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** Where a port begins, or the text ends. */
function endOfName(host: string): number {
  let at = host.length
  while (at > 0 && isDigit(host.charCodeAt(at - 1))) at--
  return at > 0 && host.charCodeAt(at - 1) === COLON ? at - 1 : host.length
}

/** Whether the part of a query is the name, in full or with percent-encoding. The name itself has no character that needs it. */
function spells(text: string, start: number, end: number, name: string): boolean {
  let at = start
  for (let i = 0; i < name.length; i++) {
    if (at >= end) return false
    let code = text.charCodeAt(at++)
    if (code === PERCENT) {
      code = at + 2 > end ? -1 : 16 * hexValue(text.charCodeAt(at)) + hexValue(text.charCodeAt(at + 1))
      at += 2
    }
    if (code !== name.charCodeAt(i)) return false
  }
  return at === end
}

/** Far below zero for what is no hexadecimal digit, so that no sum with it is a character. */
function hexValue(code: number): number {
  if (isDigit(code)) return code - 0x30
  const letter = lowerCode(code) - 0x61
  return letter >= 0 && letter < 6 ? letter + 10 : -1000
}

/** Percent-decoded, once and strictly: `decodeURIComponent` takes no broken escape, no overlong form and no surrogate. */
function unescaped(text: string): string | InvalidKey {
  let hasEscape = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === PERCENT) hasEscape = true
    else if (code <= SPACE || code >= 0x7f) return NOT_ESCAPED
  }
  if (!hasEscape) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return ESCAPE_INVALID
  }
}

/** RFC 6265, section 4.1.1: cookie-octets. */
function isCookieValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code <= SPACE || code >= 0x7f) return false
    if (code === QUOTE || code === COMMA || code === SEMICOLON || code === BACKSLASH) return false
  }
  return true
}

const isBlank = (code: number) => code === SPACE || code === TAB
const isDigit = (code: number) => code >= 0x30 && code <= 0x39
const isUpper = (code: number) => code >= 0x41 && code <= 0x5a
const lowerCode = (code: number) => (isUpper(code) ? code + 0x20 : code)
