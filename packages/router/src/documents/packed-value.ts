/**
 * A value with large typed arrays in it, as bytes and back: in the engine's own form, but for the arrays, which lie behind
 * the rest as they are.
 *
 *     length of the rest, 32 bits | the rest | one array, at a multiple of 8 bytes | the next | …
 *
 * The engine's form alone has the arrays between all else, wherever that ends. Three in four elements of a base are then at
 * places where their kind cannot be read, and whoever unpacks them copies 5 MB at once, on the thread that serves requests.
 * From here they are taken over where they are, and what is left to unpack grows with the cells only.
 */
import { DefaultDeserializer, DefaultSerializer } from 'node:v8'

const KINDS = [Uint8Array, Uint16Array, Int32Array, Uint32Array, Float64Array] as const
type Bulk = InstanceType<(typeof KINDS)[number]>

const LENGTH_BYTES = 4
const ALIGNED_TO = 8

const aligned = (at: number) => Math.ceil(at / ALIGNED_TO) * ALIGNED_TO

/** The parts to send, in order. They are the arrays themselves, not copies of them. */
export function packValue(value: unknown): Uint8Array[] {
  const packer = new Packer()
  packer.writeHeader()
  packer.writeValue(value)
  const rest = packer.releaseBuffer()
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(rest.length)
  const parts: Uint8Array[] = [length, rest]
  let end = LENGTH_BYTES + rest.length
  for (const { buffer, byteOffset, byteLength } of packer.arrays) {
    parts.push(new Uint8Array(aligned(end) - end), new Uint8Array(buffer, byteOffset, byteLength))
    end = aligned(end) + byteLength
  }
  return parts
}

/** The arrays of the value are views of `bytes`, which begin at a multiple of 8 bytes of their memory, or are copied. */
export function unpackValue(bytes: Uint8Array): unknown {
  const start = LENGTH_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  const unpacker = new Unpacker(bytes.subarray(LENGTH_BYTES, start))
  unpacker.follow(bytes, start)
  unpacker.readHeader()
  return unpacker.readValue()
}

class Packer extends DefaultSerializer {
  readonly arrays: Bulk[] = []

  /** Called by the engine with each typed array. */
  _writeHostObject(array: Bulk): void {
    const kind = KINDS.indexOf(array.constructor as (typeof KINDS)[number])
    if (kind < 0)
      throw new TypeError(`a ${array.constructor.name} cannot be packed; take one of the kinds that can`)
    this.arrays.push(array)
    this.writeUint32(kind)
    this.writeUint32(array.length)
  }
}

class Unpacker extends DefaultDeserializer {
  #bytes: Uint8Array = new Uint8Array()
  #end = 0

  /** The arrays are those behind `end`. */
  follow(bytes: Uint8Array, end: number): void {
    this.#bytes = bytes
    this.#end = end
  }

  /** Called by the engine for each typed array, in the order in which they were packed. */
  _readHostObject(): Bulk {
    const Kind = KINDS[this.readUint32()]!
    const length = this.readUint32()
    const start = aligned(this.#end)
    this.#end = start + length * Kind.BYTES_PER_ELEMENT
    const { buffer, byteOffset } = this.#bytes
    const at = byteOffset + start
    if (at % Kind.BYTES_PER_ELEMENT === 0) return new Kind(buffer as ArrayBuffer, at, length)
    return new Kind(buffer.slice(at, byteOffset + this.#end) as ArrayBuffer)
  }
}
