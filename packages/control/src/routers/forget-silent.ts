/**
 * Routers and hosts that are gone: their rows are removed after a day of silence.
 *
 * A row says when a process was heard last, and that is of use to whoever looks for one that died last night. A router that
 * is named by its process has another name after each start, though: kept for ever, those rows would be most of the status.
 */
import { HOUR_MS } from '../clock.ts'
import { HOSTS, ROUTERS } from '../store/collections.ts'
import type { StoreWriter } from '../store/store.ts'

export const FORGOTTEN_AFTER_MS = 24 * HOUR_MS

/** A row that cannot be read stays: the status names it until somebody looked. */
export async function forgetSilent(writer: StoreWriter, now: number): Promise<void> {
  for (const collection of [ROUTERS, HOSTS]) {
    const { rows } = await writer.list<{ last_report_at: string }>(collection)
    for (const { key, value } of rows) {
      if (now - Date.parse(value.last_report_at) > FORGOTTEN_AFTER_MS) await writer.remove(collection, key)
    }
  }
}
