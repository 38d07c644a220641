/**
 * The lifecycle of a cell.
 *
 *     provisioning ──become-ready──▶ ready ──activate──▶ active ──drain──▶ draining ──finish-drain──▶ drained ──retire──▶ retired
 *                                                          ▲                  │                        │
 *                                                          └─────────────────undrain───────────────────┘
 *
 * - **provisioning**: its host brings it up. **ready**: it runs and answers; nothing is placed on it yet.
 * - **active**: tenants are placed on it. Only here does it get new work.
 * - **draining**: no longer placed, but it still answers for what it holds, and finishes it.
 * - **drained**: every router has left it, nothing is in flight, and it is not known to have work left. It still
 *   answers reads. A cell that is lost gets here too, which is how it can be retired at all.
 * - **retired**: stopped for good. Its slot is never used again, because ids that it handed out carry it.
 *
 * Each step asks for facts, and a refusal names the one that is missing. Nothing is assumed of a cell whose holdings
 * are not known: what is not known to be empty is not thrown away, unless an operator says so with `force`.
 */
import type { CellState, Holdings, Parsed, Problem, ProblemCode } from '@cellplane/contract'
import { parsed, problem, refused } from '@cellplane/contract'

export type CellEvent = 'become-ready' | 'activate' | 'drain' | 'finish-drain' | 'undrain' | 'retire'

/** What the steps ask for. Only those of the event at hand are looked at. */
export type CellFacts = {
  cell: string
  /** become-ready, activate: every component runs, the endpoint is known, and the health path answers. */
  isServing: boolean
  /** Why the cell may not be placed whatever its health, such as a store that it shares with another; null otherwise. */
  blockedBecause: string | null
  /** drain: active serving cells, this one included. */
  activeCells: number
  shardSize: number
  /** finish-drain: every router that reports has applied a base without the cell in its table. */
  isLeftByRouters: boolean
  inFlight: number
  /** finish-drain, retire: as last reported. Null: not known. */
  holdings: Holdings | null
  /** retire. False where the fleet file says that cells keep nothing. */
  mustReportHoldings: boolean
  /** retire: an operator's word that data and unknown holdings may be given up. Undelivered work may not. */
  force: boolean
}

/** event → from which states → to which. */
const STEPS: Record<CellEvent, { from: readonly CellState[]; to: CellState }> = {
  'become-ready': { from: ['provisioning'], to: 'ready' },
  activate: { from: ['ready'], to: 'active' },
  drain: { from: ['active'], to: 'draining' },
  'finish-drain': { from: ['draining'], to: 'drained' },
  undrain: { from: ['draining', 'drained'], to: 'active' },
  retire: { from: ['drained'], to: 'retired' },
}

/** The state after the event, or why not. The problems' codes are those of the API (`PROBLEM_CODES`). */
export function transition(state: CellState, event: CellEvent, facts: CellFacts): Parsed<CellState> {
  const { from, to } = STEPS[event]
  if (!from.includes(state)) {
    return refused(
      refusal(
        'CONFLICT',
        facts,
        `is ${state}; ${event} needs it to be ${from.join(' or ')}${remedy(state, event)}`,
      ),
    )
  }
  const problems = CHECKS[event](facts)
  return problems.length > 0 ? { ok: false, problems } : parsed(to)
}

const CHECKS: Record<CellEvent, (facts: CellFacts) => Problem[]> = {
  'become-ready': checkServing,
  activate: checkServing,
  drain: (facts) =>
    facts.activeCells - 1 >= facts.shardSize
      ? []
      : [
          refusal(
            'CONFLICT',
            facts,
            `is one of ${facts.activeCells} active cells, and shards have ${facts.shardSize}; add a cell first`,
          ),
        ],
  'finish-drain': (facts) => [
    ...(facts.isLeftByRouters
      ? []
      : [refusal('CONFLICT', facts, 'is still used by routers that have an older topology')]),
    ...(facts.inFlight === 0 ? [] : [refusal('CONFLICT', facts, `has ${facts.inFlight} requests in flight`)]),
    ...checkWork(facts),
  ],
  undrain: checkBlocked,
  retire: (facts) => [
    ...checkWork(facts),
    ...(facts.force ? [] : [...checkKnown(facts), ...checkData(facts)]),
  ],
}

function checkServing(facts: CellFacts): Problem[] {
  return facts.isServing ? checkBlocked(facts) : [refusal('CONFLICT', facts, 'does not serve yet')]
}

function checkBlocked(facts: CellFacts): Problem[] {
  return facts.blockedBecause === null
    ? []
    : [refusal('CONFLICT', facts, `may not be placed: ${facts.blockedBecause}`)]
}

function checkWork(facts: CellFacts): Problem[] {
  const undelivered = facts.holdings?.undelivered ?? 0
  return undelivered === 0
    ? []
    : [
        refusal(
          'CELL_HOLDS_WORK',
          facts,
          `holds ${undelivered} pieces of undelivered work; wait until they are delivered, or dead-letter them`,
        ),
      ]
}

function checkKnown(facts: CellFacts): Problem[] {
  return facts.holdings !== null || !facts.mustReportHoldings
    ? []
    : [
        refusal(
          'CELL_HOLDINGS_UNKNOWN',
          facts,
          'does not report what it holds; bring it up, or give up what it may hold: retire it with --force (API: "force": true)',
        ),
      ]
}

function checkData(facts: CellFacts): Problem[] {
  const { retained = 0, retained_until: until = null } = facts.holdings ?? {}
  return retained === 0
    ? []
    : [
        refusal(
          'CELL_HOLDS_DATA',
          facts,
          `holds ${retained} records within their retention${until === null ? '' : ` (until ${until})`}; wait, or give them up: retire it with --force (API: "force": true)`,
        ),
      ]
}

function refusal(code: ProblemCode, facts: CellFacts, what: string): Problem {
  return problem(code, '', `cell "${facts.cell}" ${what}`)
}

function remedy(state: CellState, event: CellEvent): string {
  if (event === 'retire' && state === 'active') return '; drain it first'
  if (event === 'retire' && state === 'draining') return '; wait until it is drained'
  return ''
}
