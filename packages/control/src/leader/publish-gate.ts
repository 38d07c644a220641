/**
 * What a tenure waits for before it publishes: that routers have said what they have. The store may have forgotten it
 * (`topology/older-store.ts`), and a base that went to all because few routers were heard yet would miss its wave.
 *
 * Routers report once a second, each by itself. So the gate opens when all were heard that the store knows to have reported
 * lately, or after the time in which whoever runs has been heard. A store that knows no router lately cannot say whom to
 * wait for, so that takes the whole time.
 */
import { createBell } from '../bell.ts'
import { monotonicNow } from '../clock.ts'
import type { RouterReports } from '../routers/router-reports.ts'
import { ROUTERS } from '../store/collections.ts'
import type { StoreReader } from '../store/store.ts'
import type { Published } from '../topology/published.ts'

/** A router that runs has been heard by then: a report each second, and 2 s until one that hangs is given up. */
export const ROUTERS_HEARD_MS = 4_000

/** A router that reported this shortly before the tenure began is expected to report again. */
const ROUTERS_EXPECTED_MS = 60_000

export type PublishGateOptions = {
  store: StoreReader
  published: Pick<Published, 'base'>
  routers: Pick<RouterReports, 'seen'>
  now: () => number
}

export type PublishGate = ReturnType<typeof createPublishGate>

export function createPublishGate({ store, published, routers, now }: PublishGateOptions) {
  const beganAt = monotonicNow()
  const opened = createBell()
  let isOpen = false
  /** As the store had it when the tenure began: reports are saved from then on. */
  let stored: { isEmpty: boolean; expected: Set<string> } | undefined

  async function isDue(epoch: number): Promise<boolean> {
    const base = published.base()
    if (base === null || monotonicNow() - beganAt > ROUTERS_HEARD_MS) return true
    stored ??= await readStored()
    // A store that was found to be an older copy does not know its routers either.
    if (stored.isEmpty) return base.epoch === epoch
    const { expected } = stored
    return expected.size > 0 && expected.isSubsetOf(new Set(routers.seen().keys()))
  }

  async function readStored() {
    const { rows, invalid } = await store.list(ROUTERS)
    const lately = rows.filter(({ value }) => now() - Date.parse(value.last_report_at) < ROUTERS_EXPECTED_MS)
    return { isEmpty: rows.length + invalid.length === 0, expected: new Set(lately.map(({ key }) => key)) }
  }

  return {
    isOpen: (): boolean => isOpen,
    /** Rings when it opens, once. */
    opened,
    /** To be called by each run, before it looks at what routers have: what opened the gate is among that. */
    async look(epoch: number): Promise<void> {
      if (isOpen || !(await isDue(epoch))) return
      isOpen = true
      opened.ring()
    },
  }
}
