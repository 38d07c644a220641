/**
 * S3, and what speaks its API: PUT and GET of whole objects, with the conditional writes that S3 has since 2024
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html), requests signed.
 *
 * Retrying is left to who calls: it knows what is newer meanwhile.
 */
import { formatProblems, TOPOLOGY_BYTES_MAX } from '@cellplane/contract'
import { objectUrl, prepareRequest } from '@cellplane/object-store'
import type { ObjectStore, StoredObject, WriteCondition } from './object-store.ts'
import type { S3Config } from './s3-config.ts'

/** A base of 32 MB at 10 Mbit/s. A store that hangs holds up nothing but this publisher. */
const REQUEST_TIMEOUT_MS = 30_000

/** An answer that tells of an error has a few hundred bytes; more is not read. */
const ERROR_BYTES_MAX = 16_384

/** 412: the condition does not hold. 409: somebody else writes it at this moment. 404: what was read is gone. */
const CONDITION_FAILED: ReadonlySet<number> = new Set([404, 409, 412])

export function createS3Store(config: S3Config): ObjectStore {
  async function send(
    method: 'GET' | 'PUT',
    key: string,
    headers: Record<string, string>,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const prepared = await prepareRequest(config, { method, key, headers, body })
    if (!prepared.ok) throw new Error(formatProblems(prepared.problems))
    const { url, headers: signed } = prepared.value
    const limit = AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)])
    try {
      return await fetch(url, {
        method,
        headers: signed,
        body: body ?? null,
        redirect: 'error',
        signal: limit,
      })
    } catch (error) {
      const { message, cause } = error as Error
      const why = cause instanceof Error ? cause.message : message
      throw new Error(`${method} ${objectUrl(config, key)} failed: ${why}`)
    }
  }

  async function fail(method: string, key: string, response: Response): Promise<never> {
    const told = new TextDecoder().decode(await readBounded(response, ERROR_BYTES_MAX, true))
    const code = /<Code>([\w.]{1,128})<\/Code>/.exec(told)?.[1]
    throw new Error(
      `${method} ${objectUrl(config, key)} was answered ${response.status}${code ? ` ${code}` : ''}`,
    )
  }

  return {
    async read(key, signal): Promise<StoredObject | undefined> {
      const response = await send('GET', key, {}, undefined, signal)
      if (response.status === 404) {
        await response.body?.cancel()
        return undefined
      }
      if (response.status !== 200) return fail('GET', key, response)
      const text = new TextDecoder().decode(await readBounded(response, TOPOLOGY_BYTES_MAX))
      return { text, tag: response.headers.get('etag') ?? '' }
    },

    async write(key: string, text: string, condition: WriteCondition, signal: AbortSignal): Promise<boolean> {
      const header: Record<string, string> =
        condition.is === 'absent' ? { 'if-none-match': '*' } : { 'if-match': condition.tag }
      const headers = { ...header, 'content-type': 'application/json' }
      const response = await send('PUT', key, headers, text, signal)
      // A missing bucket is a 404 as well, and no condition that failed.
      if (CONDITION_FAILED.has(response.status) && !(response.status === 404 && condition.is === 'absent')) {
        await response.body?.cancel()
        return false
      }
      if (!response.ok) return fail('PUT', key, response)
      await response.body?.cancel()
      return true
    },
  }
}

/** What is beyond `bytesMax` is not read: thrown, or cut off. */
async function readBounded(response: Response, bytesMax: number, isCut = false): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > bytesMax) {
      if (isCut) break
      throw new Error(`${response.url} has more than ${bytesMax} bytes, the most that a document has`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
