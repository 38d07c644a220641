/**
 * One buffer that all sockets of the process read into. What was read is used up before the callback returns: parsed,
 * and taken over as Latin-1 text, which holds any bytes and is written again as the same bytes. So a connection that is
 * idle holds no buffer, and no read allocates one.
 *
 * 16 KB: Node writes text of up to that size without a copy on the heap. Measured on bodies of 1 MiB, 64 KB costs 70 %
 * more processor time (`npm run bench:router -- --rows bodies`).
 */
import type { Socket } from 'node:net'

const READ_BYTES_MAX = 16_384

const shared = Buffer.allocUnsafeSlow(READ_BYTES_MAX)

export type Receive = (bytes: Buffer, length: number) => void

/** For `new Socket` and `connect`: reads go to the shared buffer. */
export function onread(receive: Receive): { buffer: Buffer; callback: (length: number) => boolean } {
  return {
    buffer: shared,
    callback(length) {
      receive(shared, length)
      return true
    },
  }
}

/** For sockets that read by themselves, such as those of TLS: the same bytes in buffers of their own. */
export function receiveData(socket: Socket, receive: Receive): void {
  socket.on('data', (bytes: Buffer) => receive(bytes, bytes.length))
}
