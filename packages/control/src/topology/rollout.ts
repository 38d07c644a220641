/**
 * Waves, as the control plane runs them: which base goes to one router first, and when all get it. Whether that router is
 * well is `judgeWave` in core; what taking a base back means is `leader/reconcile-bases.ts`.
 *
 * What is decided is in the store: a control plane that dies in the middle of a wave goes on with it when it is back, and so
 * does another replica. Only the watch begins anew then, as nobody watched meanwhile.
 */
import type { TopologyBase } from '@cellplane/contract'
import { hasApplied, judgeWave, needsWave, type RouterCount, type WaveVerdict } from '@cellplane/core'
import { AUTOMATION, recordChange } from '../audit/audit.ts'
import { monotonicNow } from '../clock.ts'
import { ROUTER_SILENT_AFTER_MS, type RouterReports } from '../routers/router-reports.ts'
import { type StoredWave, versionKey, WAVE_KEY, WAVES } from '../store/collections.ts'
import type { Store, StoreWriter } from '../store/store.ts'
import type { HeldBase, Published } from './published.ts'

export type RolloutOptions = {
  store: Store
  published: Published
  routers: RouterReports
  /** 0: every base goes to all at once. */
  watchMs: number
}

export type Rollout = ReturnType<typeof createRollout>

export function createRollout({ store, published, routers, watchMs }: RolloutOptions) {
  /** Of the wave that is under way, as this process watches it. */
  let watch = { of: '', beganAt: 0, appliedAt: null as number | null }

  /** The first by name of the routers that follow, when others follow as well. A lone router is canary and all. */
  function pickCanary(before: HeldBase): string | null {
    const seen = [...routers.seen()].sort(([a], [b]) => (a < b ? -1 : 1))
    if (seen.length < 2) return null
    return (seen.find(([, router]) => hasApplied(router, before)) ?? seen[0]!)[0]
  }

  return {
    /** To be called in the transaction that stores `next`. Null: it goes to all at once. */
    async begin(
      writer: StoreWriter,
      before: HeldBase | null,
      next: TopologyBase,
      now: number,
    ): Promise<StoredWave | null> {
      await writer.remove(WAVES, WAVE_KEY)
      if (!before || watchMs === 0 || before.epoch !== next.epoch || !needsWave(before.document, next))
        return null
      const canary = pickCanary(before)
      if (canary === null) return null
      const wave: StoredWave = {
        base: { epoch: next.epoch, version: next.version },
        former: { epoch: before.epoch, version: before.version },
        canary,
        began_at: new Date(now).toISOString(),
        began: [...routers.seen()].map(([router, { startedAt, requests, errors, refused, cells }]) => ({
          router,
          started_at: startedAt,
          requests,
          errors,
          refused,
          // Only its base drops cells, and the cells of every router would be a row of megabytes.
          ...(router === canary && cells ? { cells: countsOf(cells) } : {}),
        })),
      }
      await writer.put(WAVES, WAVE_KEY, wave)
      return wave
    },

    /** Null without a wave. */
    judge(): WaveVerdict | null {
      const wave = published.wave()
      if (!wave) return null
      const of = versionKey(wave.base)
      if (watch.of !== of) watch = { of, beganAt: monotonicNow(), appliedAt: null }
      const seen = routers.seen()
      const canary = seen.get(wave.canary)
      if (canary && hasApplied(canary, wave.base)) watch.appliedAt ??= canary.reportedAt
      const began = new Map(
        wave.began.map(({ router, started_at: startedAt, cells, ...counts }): [string, RouterCount] => [
          router,
          { startedAt, ...counts, ...(cells ? { cells: new Map(cells.map((one) => [one.slot, one])) } : {}) },
        ]),
      )
      const policy = { watchMs, silentAfterMs: ROUTER_SILENT_AFTER_MS }
      return judgeWave({ ...wave, ...watch, began }, seen, policy, monotonicNow())
    },

    /** All get the base now. */
    async finish(now: number): Promise<void> {
      const wave = published.wave()
      if (!wave) return
      await store.write(async (writer) => {
        await writer.remove(WAVES, WAVE_KEY)
        const subject = `base ${wave.base.version}`
        const reason = `router "${wave.canary}" had it first and is well`
        await recordChange(writer, { actor: AUTOMATION, action: 'topology.wave', subject, reason }, now)
      })
      published.endWave()
    },
  }
}

function countsOf(cells: NonNullable<RouterCount['cells']>) {
  return [...cells].map(([slot, { requests, errors }]) => ({ slot, requests, errors }))
}
