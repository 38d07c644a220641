/**
 * Sockets that read into one buffer which all of them share: no allocation and no copy a read, which is a third of what
 * the generator would cost otherwise. The buffer holds good only until the callback returns.
 *
 * For outgoing connections `onread` is documented. For accepted ones it takes their handle, and another socket around
 * it, which is not; should a Node refuse that, the bench fails at its first request, and 'data' events are the way out.
 */
import { connect, createServer, type NetConnectOpts, type Server, Socket } from 'node:net'

/** More than this a read brings nothing on loopback, whose segments are 64 KB. */
const READ_BYTES = 65_536
const shared = Buffer.allocUnsafeSlow(READ_BYTES)

/** `buffer` is valid during the call only. */
export type OnRead = (bytes: number, buffer: Uint8Array) => void

export function connectShared(options: NetConnectOpts, onRead: OnRead): Socket {
  return connect({
    ...options,
    onread: { buffer: shared, callback: goingOn(onRead) },
  })
}

/** `onConnection` is given the socket, and returns what takes its bytes. */
export function createSharedServer(onConnection: (socket: Socket) => OnRead): Server {
  return createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: false }, (accepted) => {
    const { _handle: handle } = accepted as unknown as { _handle: unknown }
    if (!handle) return
    ;(accepted as unknown as { _handle: unknown })._handle = null
    let onRead: OnRead | undefined
    const options = {
      handle,
      onread: {
        buffer: shared,
        callback: goingOn((bytes, buffer) => onRead?.(bytes, buffer)),
      },
    }
    const socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0])
    onRead = onConnection(socket)
    socket.resume()
  })
}

/** What `onread` expects: true, or reading would pause. */
function goingOn(onRead: OnRead): (bytes: number, buffer: Uint8Array) => boolean {
  return (bytes, buffer) => {
    onRead(bytes, buffer)
    return true
  }
}
