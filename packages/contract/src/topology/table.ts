/** The table in its wire form: buckets × shard size slots, 16 bit little-endian, base64. */
import { type Parsed, parsed, problem, refused } from '../problem.ts'

export function encodeTable(slots: Uint16Array): string {
  const bytes = Buffer.alloc(slots.length * 2)
  for (let i = 0; i < slots.length; i++) {
    bytes[2 * i] = slots[i]!
    bytes[2 * i + 1] = slots[i]! >>> 8
  }
  return bytes.toString('base64')
}

export function decodeTable(
  base64: string,
  buckets: number,
  shardSize: number,
  path = 'table',
): Parsed<Uint16Array> {
  const bytes = Buffer.from(base64, 'base64')
  const expected = buckets * shardSize * 2
  if (bytes.length !== expected) {
    return refused(
      problem(
        'TOPOLOGY_TABLE_SIZE',
        path,
        `the table has ${bytes.length} bytes; ${buckets} buckets × ${shardSize} cells × 2 = ${expected} are expected`,
      ),
    )
  }
  const slots = new Uint16Array(buckets * shardSize)
  for (let i = 0; i < slots.length; i++) slots[i] = bytes[2 * i]! | (bytes[2 * i + 1]! << 8)
  return parsed(slots)
}
