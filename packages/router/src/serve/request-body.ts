/**
 * A request's body on its way to a cell, streamed with backpressure, its beginning kept so that it can be sent again.
 *
 * While no sending is under way the client is not read. So a request that waits for a connection holds no body, and a
 * connection that fails has cost nothing, however large the body.
 */
import type { IncomingMessage } from 'node:http'
import type { Writable } from 'node:stream'

export type RequestBody = {
  /** True while all that was read is kept: the body can still be sent from its start. */
  readonly isReplayable: boolean
  /** True when the client has sent all of it. */
  readonly isComplete: boolean
  /**
   * Sends what was read, then the rest as it comes, and ends `sink`. Only one sending at a time. `onProgress` is called
   * for each part. Throws when the body is not replayable.
   */
  sendTo(sink: Writable, onProgress: () => void): void
  /** Detaches from the sink; the client is not read until the next sending. */
  stopSending(): void
  /** Reads and forgets the rest, so that the client gets to read its answer. */
  discard(): void
}

/** What a refused client may go on sending before its connection is closed. */
const DISCARDED_BYTES_MAX = 1024 * 1024

export function createRequestBody(
  request: IncomingMessage,
  hasBody: boolean,
  keptBytesMax: number,
): RequestBody {
  if (!hasBody) {
    return {
      isReplayable: true,
      isComplete: true,
      sendTo: (sink) => sink.end(),
      stopSending() {},
      discard() {},
    }
  }
  let kept: Buffer[] = []
  let keptBytes = 0
  let isReplayable = true
  let isComplete = false
  let discardedBytes = -1
  let sink: Writable | null = null
  let onProgress = () => {}
  const resume = () => request.resume()

  request.pause()
  request.on('data', (chunk: Buffer) => {
    if (discardedBytes >= 0) {
      discardedBytes += chunk.length
      if (discardedBytes > DISCARDED_BYTES_MAX) request.destroy()
      return
    }
    keep(chunk)
    onProgress()
    if (sink?.write(chunk) === false) request.pause()
  })
  request.on('end', () => {
    isComplete = true
    onProgress()
    sink?.end()
  })

  function keep(chunk: Buffer): void {
    if (!isReplayable) return
    keptBytes += chunk.length
    if (keptBytes > keptBytesMax) {
      isReplayable = false
      kept = []
    } else {
      kept.push(chunk)
    }
  }

  function stopSending(): void {
    sink?.off('drain', resume)
    sink = null
    onProgress = () => {}
    request.pause()
  }

  return {
    get isReplayable() {
      return isReplayable
    },
    get isComplete() {
      return isComplete
    },
    sendTo(next, progress) {
      // A cell would take what is left for the whole, and say so to the client.
      if (!isReplayable) throw new Error('a body whose beginning was dropped cannot be sent')
      sink = next
      onProgress = progress
      for (const chunk of kept) next.write(chunk)
      if (isComplete) {
        next.end()
      } else {
        next.on('drain', resume)
        request.resume()
      }
    },
    stopSending,
    discard() {
      stopSending()
      kept = []
      isReplayable = false
      discardedBytes = 0
      request.resume()
    },
  }
}
