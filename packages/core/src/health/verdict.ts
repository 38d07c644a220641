/**
 * The verdict on one cell, from four witnesses that may each be wrong:
 *
 *   probe      its health path answers. The cell's own word; a gray failure is when that word is a lie
 *   synthetic  a real write, by a tenant that is nobody's, through the cell's API
 *   requests   what routers' requests come to (`requests.ts`): what callers get
 *   peers      the cell against others of its release (`peers.ts`)
 *
 * Requests outweigh the two that the control plane makes itself. It has one network path to the cell, one resolver and one
 * bug; callers have many. So a probe that fails while requests succeed is a doubt about the probe: the cell is suspect,
 * which is shown and takes nothing away. Where there are too few requests to tell, the real write outweighs the probe.
 *
 * The rules below are the truth table of docs/health.md, in the same order, and a test walks all combinations of signals
 * through both. The first rule that fits decides.
 *
 * Time: probe, synthetic, requests and peers come with a hysteresis of their own. The verdict adds one, for what requests
 * found. A cell that is out gets no requests, so the evidence dies with the mark; it is held out for a time that doubles
 * with each time in a row, and then it is given requests again, over the routers' ramp.
 *
 *     healthy, suspect ──(a rule says unhealthy)──▶ unhealthy ──(hold is over, and no rule says unhealthy)──▶ healthy, suspect
 *
 * A hold begins when the cell goes out, and not again while it is out: what is still found then is that routers themselves
 * leave it alone, which has a time of its own and is over with it. Otherwise the two would add up.
 */
import { HEALTH } from './numbers.ts'
import type { PeersSignal } from './peers.ts'
import type { RequestsSignal } from './requests.ts'

export type ProbeSignal = 'ok' | 'failing' | 'unknown'
/** `none`: the fleet file declares no synthetic tenant, or the cell is in a state in which it is not asked. */
export type SyntheticSignal = ProbeSignal | 'none'

export type Signals = {
  probe: ProbeSignal
  synthetic: SyntheticSignal
  requests: RequestsSignal
  peers: PeersSignal
}

/** What each signal met, in words. */
export type SignalReasons = Record<keyof Signals, string>

export type Verdict = 'unknown' | 'healthy' | 'suspect' | 'unhealthy'

/**
 * On whose word an unhealthy or suspect cell is that: `requests` what callers got, `monitor` the control plane's own
 * asking alone, `contradicted` the monitor's against a better witness.
 */
export type Ground = 'requests' | 'monitor' | 'contradicted' | 'none'

export type Rule = {
  id: string
  /** A signal that is not named may be anything. */
  when: Partial<{ [S in keyof Signals]: readonly Signals[S][] }>
  verdict: Verdict
  ground: Ground
  /** The signals whose reasons are the verdict's. */
  because: readonly (keyof Signals)[]
}

export const RULES: readonly Rule[] = [
  {
    id: 'requests-fail',
    when: { requests: ['failing'] },
    verdict: 'unhealthy',
    ground: 'requests',
    because: ['requests'],
  },
  {
    id: 'worse-than-peers',
    when: { peers: ['errors'] },
    verdict: 'unhealthy',
    ground: 'requests',
    because: ['peers'],
  },
  {
    id: 'slow-and-write-fails',
    when: { synthetic: ['failing'], peers: ['slow'] },
    verdict: 'unhealthy',
    ground: 'monitor',
    because: ['synthetic', 'peers'],
  },
  {
    id: 'probe-against-requests',
    when: { probe: ['failing'], requests: ['ok'] },
    verdict: 'suspect',
    ground: 'contradicted',
    because: ['probe'],
  },
  {
    id: 'write-against-requests',
    when: { synthetic: ['failing'], requests: ['ok'] },
    verdict: 'suspect',
    ground: 'contradicted',
    because: ['synthetic'],
  },
  {
    id: 'write-fails',
    when: { synthetic: ['failing'] },
    verdict: 'unhealthy',
    ground: 'monitor',
    because: ['synthetic'],
  },
  {
    id: 'probe-against-write',
    when: { probe: ['failing'], synthetic: ['ok'] },
    verdict: 'suspect',
    ground: 'contradicted',
    because: ['probe'],
  },
  {
    id: 'probe-fails',
    when: { probe: ['failing'] },
    verdict: 'unhealthy',
    ground: 'monitor',
    because: ['probe'],
  },
  { id: 'slow', when: { peers: ['slow'] }, verdict: 'suspect', ground: 'none', because: ['peers'] },
  {
    id: 'nothing-known',
    when: { probe: ['unknown'], synthetic: ['unknown', 'none'], requests: ['few'] },
    verdict: 'unknown',
    ground: 'none',
    because: ['probe'],
  },
  { id: 'well', when: {}, verdict: 'healthy', ground: 'none', because: ['probe'] },
]

export type CellHealth = {
  readonly verdict: Verdict
  /** The id of the rule that gave it. */
  readonly rule: string
  readonly ground: Ground
  /** When that verdict began. */
  readonly since: number
  readonly reason: string
  /** The cell stays out until then, whatever is seen; 0 when nothing holds it. */
  readonly holdUntil: number
  /** Holds in a row. */
  readonly holds: number
}

export const UNJUDGED: CellHealth = {
  verdict: 'unknown',
  rule: 'nothing-known',
  ground: 'none',
  since: 0,
  reason: 'not probed yet',
  holdUntil: 0,
  holds: 0,
}

/** The rule that decides, by the signals alone. */
export function weigh(signals: Signals): Rule {
  const fits = ({ when }: Rule) =>
    (Object.keys(when) as (keyof Signals)[]).every((name) =>
      (when[name] as readonly string[]).includes(signals[name]),
    )
  return RULES.find(fits)!
}

/** `now` in ms since the epoch, by a clock that does not jump. */
export function nextHealth(
  state: CellHealth,
  signals: Signals,
  reasons: SignalReasons,
  now: number,
): CellHealth {
  if (now < state.holdUntil) return state
  const rule = weigh(signals)
  const { verdict, ground } = rule
  const since = verdict === state.verdict ? state.since : now
  const next = { verdict, rule: rule.id, ground, since, reason: reasonOf(rule, reasons) }
  const isOutForThat = state.verdict === 'unhealthy' && state.ground === 'requests'
  if (verdict !== 'unhealthy' || ground !== 'requests' || isOutForThat) {
    return { ...next, holdUntil: state.holdUntil, holds: state.holds }
  }
  const isInARow = state.holdUntil > 0 && now - state.holdUntil < HEALTH.holdForgottenAfterMs
  const holds = isInARow ? state.holds + 1 : 1
  return { ...next, holdUntil: now + holdTimeMs(holds), holds }
}

/**
 * The health of a cell that was found marked by a control plane that has just come: out for a window more, as nobody can
 * tell any more what the mark rested on, and one good probe is what a gray cell has to show.
 */
export function inheritMark(mark: { since: number; reason: string }, now: number): CellHealth {
  return {
    verdict: 'unhealthy',
    rule: 'inherited',
    ground: 'requests',
    ...mark,
    holdUntil: now + HEALTH.inheritedHoldMs,
    holds: 0,
  }
}

export function holdTimeMs(holds: number): number {
  return Math.min(HEALTH.holdMsMax, HEALTH.holdMs * 2 ** Math.min(holds - 1, 10))
}

function reasonOf({ id, because }: Rule, reasons: SignalReasons): string {
  const found = because.map((signal) => `${WITNESS[signal]}${reasons[signal]}`).join('; ')
  return `${found}${REMARK[id] ?? ''}`
}

/** The health path's own words stand for themselves. */
const WITNESS: SignalReasons = { probe: '', synthetic: 'a real write: ', requests: '', peers: '' }

const REMARK: Record<string, string> = {
  'requests-fail': ', whatever its health path says',
  'probe-against-requests': ', though requests of routers succeed: the probe is doubted, the cell stays',
  'write-against-requests': ', though requests of routers succeed: the probe is doubted, the cell stays',
  'probe-against-write': ', though a real write succeeds: the probe is doubted, the cell stays',
}
