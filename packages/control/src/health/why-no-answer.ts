/** What kept a cell from answering, in the words that an operator sees. */

/** `error` is what `fetch` threw. */
export function whyNoAnswer(error: Error, timeoutMs: number): string {
  if (error.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code
  return code === 'ECONNREFUSED' ? 'connection refused' : (code ?? error.message)
}
