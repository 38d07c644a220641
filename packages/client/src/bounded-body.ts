/**
 * Reads an answer's body up to a limit. `response.text()` would take whatever comes, and an answer that never ends
 * would take the process with it.
 */

/** Thrown when a body has more bytes than its reader takes. */
export class BodyTooLargeError extends Error {
  override name = 'BodyTooLargeError'
}

/** The whole body as text. Cancels the transfer and throws BodyTooLargeError beyond `bytesMax`. */
export async function readText(response: Response, bytesMax: number): Promise<string> {
  if (!response.body) return ''
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of chunksOf(response.body)) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new BodyTooLargeError(`the answer has more than ${bytesMax} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** A stream's chunks by its reader: not every browser can iterate a stream. Leaving the loop cancels the transfer. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}
