/** Asks a cell what it still holds. Retiring a cell depends on it, so an answer that cannot be had is `null`, never zero. */
import { HEADERS, HOLDINGS_PATH, type Holdings, holdingsSchema, parseWith } from '@cellplane/contract'
import { readBounded } from '../control-plane.ts'

const HOLDINGS_TIMEOUT_MS = 2_000
const HOLDINGS_BYTES_MAX = 64 * 1024

export async function askHoldings(
  endpoint: string,
  routerSecret: string,
  signal: AbortSignal,
): Promise<Holdings | null> {
  try {
    const response = await fetch(new URL(HOLDINGS_PATH, endpoint), {
      headers: { [HEADERS.secret]: routerSecret },
      signal: AbortSignal.any([signal, AbortSignal.timeout(HOLDINGS_TIMEOUT_MS)]),
      redirect: 'error',
    })
    const text = await readBounded(response, HOLDINGS_BYTES_MAX)
    const result = parseWith(holdingsSchema, JSON.parse(text))
    return response.ok && result.ok ? result.value : null
  } catch {
    return null
  }
}
