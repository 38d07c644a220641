/** What a partition key may look like. */
import { isSyntheticTenant, SYNTHETIC_TENANT_PREFIX } from './synthetic-tenant.ts'

/** The longest partition key, in UTF-8 bytes. Long enough for a UUID, an e-mail address or a URN; short enough to be a metric's exemplar. */
export const PARTITION_KEY_BYTES_MAX = 256

/** No control characters: a partition key travels in a header and in logs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const CONTROL = /[\u0000-\u001f\u007f]/

/** Why `key` cannot be a partition key, or undefined when it can. The key itself is not repeated: it may be 10 KB. */
export function partitionKeyProblem(key: string): string | undefined {
  if (isSyntheticTenant(key)) {
    return `names that begin with "${SYNTHETIC_TENANT_PREFIX}" are reserved; take another one`
  }
  if (isPlain(key)) return undefined
  if (key === '') return 'the partition key is empty; expected 1–256 bytes'
  if (key.length > PARTITION_KEY_BYTES_MAX || utf8Length(key) > PARTITION_KEY_BYTES_MAX) {
    return `the partition key is longer than ${PARTITION_KEY_BYTES_MAX} bytes`
  }
  // Half a surrogate pair has no UTF-8: in a header, two such keys would be one.
  if (!key.isWellFormed()) return 'the partition key is not well-formed Unicode'
  if (CONTROL.test(key)) return 'the partition key has a control character'
  if (key.trim() !== key) return 'the partition key starts or ends with white space'
  return undefined
}

/** What nearly all keys are, told without allocating: every request asks. */
function isPlain(key: string): boolean {
  if (key === '' || key.length > PARTITION_KEY_BYTES_MAX) return false
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f) return false
  }
  return true
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).byteLength
}
