/** What the agent asks of the control plane, over HTTP. Every call is bounded in time and size, and may fail at any moment. */
import { readFile } from 'node:fs/promises'
import {
  type CellCredentials,
  cellCredentialsSchema,
  formatProblems,
  type HostReport,
  parseWith,
} from '@cellplane/contract'
import { ORDER_BYTES_MAX } from './order/order-file.ts'

export type ControlPlane = {
  /** The order as text with its ETag, or `unchanged` when the one with this ETag is still current after the wait. */
  getOrder(options: {
    etag: string | undefined
    waitSeconds: number
    signal: AbortSignal
  }): Promise<'unchanged' | { text: string; etag: string | undefined }>
  getCredentials(cell: string, signal: AbortSignal): Promise<CellCredentials>
  report(report: HostReport, signal: AbortSignal): Promise<void>
}

/** Beyond the wait that was asked for. A control plane on the same machine answers in milliseconds. */
const TIMEOUT_MS = 5_000
const CREDENTIALS_BYTES_MAX = 16 * 1024

export function connectControlPlane(options: { url: string; tokenFile: string; host: string }): ControlPlane {
  const hostUrl = `${options.url.replace(/\/$/, '')}/v1/hosts/${options.host}`

  async function call(
    path: string,
    init: RequestInit,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Response> {
    // Read each time: a rotated token takes effect without a restart.
    const token = (await readFile(options.tokenFile, 'utf8')).trim()
    const response = await fetch(hostUrl + path, {
      ...init,
      headers: { authorization: `Bearer ${token}`, ...init.headers },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    if (!response.ok && response.status !== 304) {
      await response.body?.cancel()
      throw new Error(
        `the control plane answered ${response.status} to ${init.method ?? 'GET'} ${hostUrl}${path}`,
      )
    }
    return response
  }

  return {
    async getOrder({ etag, waitSeconds, signal }) {
      const headers = etag === undefined ? {} : { 'if-none-match': etag }
      const timeoutMs = waitSeconds * 1000 + TIMEOUT_MS
      const response = await call(`/order?wait=${waitSeconds}`, { headers }, timeoutMs, signal)
      if (response.status === 304) {
        await response.body?.cancel()
        return 'unchanged'
      }
      const text = await readBounded(response, ORDER_BYTES_MAX)
      return { text, etag: response.headers.get('etag') ?? undefined }
    },

    async getCredentials(cell, signal) {
      const response = await call(`/cells/${cell}/credentials`, {}, TIMEOUT_MS, signal)
      const result = parseWith(
        cellCredentialsSchema,
        JSON.parse(await readBounded(response, CREDENTIALS_BYTES_MAX)),
      )
      if (!result.ok) {
        throw new Error(`the credentials of ${cell} are not valid: ${formatProblems(result.problems)}`)
      }
      return result.value
    },

    async report(report, signal) {
      const headers = { 'content-type': 'application/json' }
      const init = { method: 'POST', headers, body: JSON.stringify(report) }
      const response = await call('/report', init, TIMEOUT_MS, signal)
      await response.body?.cancel()
    },
  }
}

/** The body as text; throws beyond `bytesMax`, before it is held in memory. */
export async function readBounded(response: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new Error(`an answer is larger than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
