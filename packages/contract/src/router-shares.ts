/**
 * What a router is told in answer to its report: which part of each limit is its own, now that several routers apply the
 * same limits. It changes from second to second, so it is no part of the signed topology.
 */
import * as v from 'valibot'
import { slotSchema } from './identifiers.ts'
import { type Parsed, problem, refused } from './problem.ts'
import { about, between, int, list, parseWith, strictObject, text } from './schema/index.ts'

/** As many cells and tenants as there may be, with names as long as they may be, are a little less. */
export const ROUTER_SHARES_BYTES_MAX = 1024 * 1024

const share = about(between(0, 1), 'Of the limit. Whoever is not named has all of it.')

export const routerSharesSchema = v.pipe(
  strictObject({
    routers: about(int(0, 1_000), 'Router processes that the limits are divided between.'),
    cells: about(
      list(strictObject({ slot: slotSchema, share }), 0, 10_000),
      'Of what each cell declares: requests a second, and under way.',
    ),
    tenants: about(list(strictObject({ tenant: text(0, 256), share }), 0, 1_000), 'Of each tenant’s cap.'),
    valid_seconds: about(
      between(0, 60),
      'For so long the shares hold when nothing newer is heard. 0: this replica divides nothing, and what was told before holds on.',
    ),
  }),
  v.metadata({ id: 'RouterShares' }),
)
export type RouterShares = v.InferOutput<typeof routerSharesSchema>

/** An answer's text. Its size is the reader's to bound, by ROUTER_SHARES_BYTES_MAX. */
export function parseRouterShares(text: string): Parsed<RouterShares> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return refused(
      problem('INVALID_TYPE', '', `the answer to a report is not JSON: ${(error as Error).message}`),
    )
  }
  const shares = parseWith(routerSharesSchema, value)
  if (!shares.ok || shares.value.routers > 0 || shares.value.valid_seconds === 0) return shares
  return refused(problem('TOO_SMALL', 'routers', 'found 0; expected at least 1 where limits are divided'))
}
