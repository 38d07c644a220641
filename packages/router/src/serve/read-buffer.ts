/**
 * Where sockets read into. Nearly always that is one buffer that all sockets of the process share: what was read is used
 * up before the callback returns, parsed and taken over as Latin-1 text, which holds any bytes and is written again as
 * the same bytes. So a connection that is idle holds no buffer, and no read allocates one.
 *
 * A large body is another matter: its bytes are only passed on, and making text of them and bytes again costs two
 * copies. A socket that streams one reads into a buffer of its own meanwhile, whose bytes are written as they are. They
 * must have gone out before the socket is read again; the kernel usually takes them at once.
 */
import type { OnReadOpts } from 'node:net'

/** Node writes text of up to this size without a copy on the heap. */
const SHARED_BYTES = 16_384

/** `npm run bench:router -- --rows bodies-up,bodies-down` compares sizes. */
const OWN_BYTES = 65_536

/** A body from this size on is worth a buffer; what is smaller comes with one or two reads. */
export const LARGE_BODY_BYTES = 131_072

/** In use at once, beyond which large bodies go as text like the others; and kept for the next one. */
const OWN_BUFFERS_MAX = 512
const SPARES_MAX = 16

const shared = Buffer.allocUnsafeSlow(SHARED_BYTES)
const spares: Buffer[] = []
let ownCount = 0

/** `bytes` are valid until the callback returns; if `isOwn`, until the socket is read again. */
export type Receive = (bytes: Buffer, length: number, isOwn: boolean) => void

/** The reads of one socket. */
export type Reads = {
  /** For sockets that read by themselves, such as those of TLS: each read has a buffer of its own. */
  readonly receive: Receive
  /** For `new Socket` and `connect`. */
  readonly options: OnReadOpts
  /** From the next read on, bytes come in a buffer of the socket's own, if there is one to be had. */
  readOwn(): void
  /** From the next read on, they come in the shared one again. `isFree`: nothing of the own one is still to be written. */
  readShared(isFree: boolean): void
}

export function createReads(receive: Receive): Reads {
  let own: Buffer | null = null
  let next: Buffer | undefined = shared
  /** False for a socket that reads by itself. */
  let isGiven = false
  // Node asks for the first buffer, and after each read for the next; undefined leaves things as they are, which its
  // types do not know.
  const takeNext = () => {
    const taken = next
    next = undefined
    isGiven = true
    return taken
  }
  return {
    receive,
    options: {
      buffer: takeNext as () => Buffer,
      callback(length, bytes) {
        receive(bytes as Buffer, length, bytes !== shared)
        return true
      },
    },
    readOwn() {
      if (!isGiven || own || ownCount >= OWN_BUFFERS_MAX) return
      ownCount++
      own = spares.pop() ?? Buffer.allocUnsafeSlow(OWN_BYTES)
      next = own
    },
    readShared(isFree) {
      if (!own) return
      ownCount--
      if (isFree && spares.length < SPARES_MAX) spares.push(own)
      own = null
      next = shared
    },
  }
}
