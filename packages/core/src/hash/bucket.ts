/**
 * Partition key → bucket: `xxh32(seed, utf8(key)) & (buckets − 1)`, the rule that the topology publishes.
 *
 * This runs for every request, so a key in plain ASCII (nearly every one) is hashed from a buffer that is kept, with
 * nothing allocated. The buffer is filled and read within one call, and JavaScript runs one call at a time.
 */
import { PARTITION_KEY_BYTES_MAX } from '@cellplane/contract'
import { xxh32, xxh32Signed } from './xxh32.ts'

const scratch = new Uint8Array(PARTITION_KEY_BYTES_MAX)
const scratchView = new DataView(scratch.buffer)
const encoder = new TextEncoder()

/** XXH32 of the key's UTF-8 form, unsigned. A lone surrogate counts as U+FFFD, as every encoder writes it. */
export function hashKey(key: string, seed: number): number {
  return hashKeySigned(key, seed) >>> 0
}

/** The same bits as a signed integer; see `xxh32Signed`. */
export function hashKeySigned(key: string, seed: number): number {
  const length = key.length
  if (length > PARTITION_KEY_BYTES_MAX) return xxh32(encoder.encode(key), seed) | 0
  for (let i = 0; i < length; i++) {
    const code = key.charCodeAt(i)
    if (code > 0x7f) return xxh32(encoder.encode(key), seed) | 0
    scratch[i] = code
  }
  return xxh32Signed(scratchView, length, seed)
}

/** `buckets` is a power of two. */
export function bucketOf(key: string, seed: number, buckets: number): number {
  return hashKeySigned(key, seed) & (buckets - 1)
}
