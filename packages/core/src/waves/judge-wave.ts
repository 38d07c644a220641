/**
 * The wave of a new base: one router has it first, and what becomes of that router decides whether the others get it.
 *
 *     published ──(canary applied it)──▶ watched ──(watch over, all well)──▶ finished: all get it
 *         │                                 │
 *         └── refused, restarted, silent, ──┴── errors above before and above its peers ──▶ taken back
 *             not applied in time
 *
 * The intuition: a document can be bad in ways that no check knows of, and then the one thing that helps is that not
 * every router has it. A canary that is ill for a reason of its own takes the base back as well; that costs an
 * operator's look, and the other way round would cost the fleet. Pure: `seen` is what routers reported, `now` a parameter.
 */

type Version = { epoch: number; version: number }

type Count = { requests: number; errors: number }

/** What a router had counted when the wave began, or has now. Counters run since its start. */
export type RouterCount = Count & {
  startedAt: string
  refused: number
  /** The same by slot, of the cells that it had. A base that drops a cell takes that cell's counts away. */
  cells?: ReadonlyMap<number, Count>
}

export type RouterSeen = RouterCount & {
  base: Version | null
  lastRefusal: string | null
  /** When the last report came, ms. */
  reportedAt: number
}

export type WaveWatch = {
  base: Version
  canary: string
  /** Router → its counts when the wave began. */
  began: ReadonlyMap<string, RouterCount>
  beganAt: number
  /** When the canary first said that it has the base; null before. */
  appliedAt: number | null
}

export type WaveVerdict = { kind: 'wait' } | { kind: 'finish' } | { kind: 'take-back'; reason: string }

export type WavePolicy = {
  /** How long the canary's reports are watched once it has the base. */
  watchMs: number
  /** A router without a report for this long is silent. */
  silentAfterMs: number
}

/** Routers ask every few seconds when no push reaches them; one that reports and has not taken a base by then will not. */
export const APPLY_WITHIN_MS = 20_000

/** Fewer errors than this are no sign of anything. */
const ERRORS_MIN = 5
const REQUESTS_MIN = 20

/** Clearly above: twice the share that there was, or that the peers have, and five in a hundred more. */
const SHARE_FACTOR = 2
const SHARE_MORE = 0.05

export function judgeWave(
  wave: WaveWatch,
  seen: ReadonlyMap<string, RouterSeen>,
  policy: WavePolicy,
  now: number,
): WaveVerdict {
  const { canary, base } = wave
  const at = seen.get(canary)
  const silentMs = now - Math.max(wave.beganAt, at?.reportedAt ?? wave.beganAt)
  if (silentMs > policy.silentAfterMs) {
    return takeBack(`router "${canary}", which had it first, has been silent for ${inSeconds(silentMs)}`)
  }
  const before = wave.began.get(canary)
  if (!at || !before) return { kind: 'wait' }
  if (at.startedAt !== before.startedAt) {
    return takeBack(`router "${canary}", which had it first, was started anew`)
  }
  if (!hasApplied(at, base)) {
    if (at.refused > before.refused && at.lastRefusal?.startsWith('base')) {
      return takeBack(`router "${canary}" refuses it: ${at.lastRefusal}`)
    }
    return now - wave.beganAt > APPLY_WITHIN_MS
      ? takeBack(`router "${canary}" reports and has not taken it within ${inSeconds(APPLY_WITHIN_MS)}`)
      : { kind: 'wait' }
  }
  const errors = judgeErrors(wave, seen, at, before)
  if (errors) return takeBack(errors)
  const appliedAt = wave.appliedAt ?? at.reportedAt
  return at.reportedAt - appliedAt >= policy.watchMs ? { kind: 'finish' } : { kind: 'wait' }
}

export function hasApplied(router: Pick<RouterSeen, 'base'>, base: Version): boolean {
  const held = router.base
  return (
    held !== null && (held.epoch > base.epoch || (held.epoch === base.epoch && held.version >= base.version))
  )
}

function judgeErrors(
  { canary, began }: WaveWatch,
  seen: ReadonlyMap<string, RouterSeen>,
  at: RouterSeen,
  before: RouterCount,
): string | undefined {
  const during = difference(at, before)
  if (during.errors < ERRORS_MIN || during.requests < REQUESTS_MIN) return undefined
  const peers = { requests: 0, errors: 0 }
  for (const [router, then] of began) {
    const now = seen.get(router)
    if (router === canary || !now || now.startedAt !== then.startedAt) continue
    const { requests, errors } = difference(now, then)
    peers.requests += requests
    peers.errors += errors
  }
  const share = shareOf(during)
  const usual = Math.max(shareOf(before), shareOf(peers))
  if (share <= usual * SHARE_FACTOR + SHARE_MORE) return undefined
  return `router "${canary}", which had it first, sees ${during.errors} errors in ${during.requests} requests since; before it was ${percent(shareOf(before))}, and at its peers it is ${percent(shareOf(peers))}`
}

/** Cell by cell where that is known: what a dropped cell had counted must not hide what the others count now. */
function difference(now: RouterCount, then: RouterCount): Count {
  if (!now.cells || !then.cells) return grown(now, then)
  const during = { requests: 0, errors: 0 }
  for (const [slot, count] of now.cells) {
    const { requests, errors } = grown(count, then.cells.get(slot))
    during.requests += requests
    during.errors += errors
  }
  return during
}

const grown = (now: Count, then: Count = { requests: 0, errors: 0 }): Count => ({
  requests: Math.max(0, now.requests - then.requests),
  errors: Math.max(0, now.errors - then.errors),
})

function shareOf({ requests, errors }: Count): number {
  return requests <= 0 ? 0 : errors / requests
}

function takeBack(reason: string): WaveVerdict {
  return { kind: 'take-back', reason }
}

const inSeconds = (ms: number) => `${Math.round(ms / 1000)} s`
const percent = (share: number) => `${Math.round(share * 1000) / 10} %`
