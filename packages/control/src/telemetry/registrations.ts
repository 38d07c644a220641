/**
 * Since when each cell is registered, for what it costs: what the audit trail says. Every release writes the trail, and
 * so it holds for cells of before, and for those that a replica of an older release adds.
 *
 * The trail is read page by page, and once: what comes later is read from where the last look ended. A cell that it does
 * not name was registered before it begins; entries that cannot be read are left out.
 */
import { AUDIT } from '../store/collections.ts'
import type { StoreReader } from '../store/store.ts'

const PAGE_ENTRIES = 1_000

/** As `registry/declare.ts` and `registry/cell-changes.ts` write them. */
const REGISTERING = new Set(['cell.register', 'cell.add'])

export type Registrations = ReturnType<typeof createRegistrations>

export function createRegistrations(store: StoreReader) {
  const known = new Map<string, number>()
  let beganAt = Number.NEGATIVE_INFINITY
  let after: string | undefined
  let reading: Promise<void> | undefined

  async function read(): Promise<void> {
    for (;;) {
      const page = await store.list(AUDIT, { limit: PAGE_ENTRIES, ...(after === undefined ? {} : { after }) })
      for (const { value } of page.rows) {
        const at = Date.parse(value.at)
        if (beganAt === Number.NEGATIVE_INFINITY) beganAt = at
        if (REGISTERING.has(value.action) && !known.has(value.subject)) known.set(value.subject, at)
      }
      const keys = [...page.rows, ...page.invalid].map(({ key }) => key)
      after = keys.reduce((last, key) => (last !== undefined && last > key ? last : key), after)
      if (keys.length < PAGE_ENTRIES) return
    }
  }

  return {
    /** Ms since the epoch, by cell; −∞ for all while there is no trail. */
    async since(): Promise<(cell: string) => number> {
      reading ??= read().finally(() => {
        reading = undefined
      })
      await reading
      return (cell) => known.get(cell) ?? beganAt
    },
  }
}
