/** What a tenure does about hosts: gives each the order that the registry and the fleet file come to. */
import type { HostOrder } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import type { Bell } from '../bell.ts'
import { planOrder } from '../hosts/order.ts'
import { ORDERS, type StoredCell } from '../store/collections.ts'
import { type Store, StoreRowInvalid } from '../store/store.ts'

export type OrderReconcilerOptions = {
  store: Store
  fleet: FleetFile
  /** The fleet file's folder. */
  directory: string
  /** Rung when a host's order was replaced. */
  ordersChanged: Bell
}

export function createOrderReconciler({ store, fleet, directory, ordersChanged }: OrderReconcilerOptions) {
  const orders = new Map<string, HostOrder>()

  async function reconcile(host: string, cells: readonly StoredCell[], epoch: number): Promise<void> {
    const current = orders.get(host) ?? (await store.get(ORDERS, host))
    const order = planOrder({ host, fleet, directory, cells, epoch, current })
    if (order !== current) {
      await store.write((writer) => writer.put(ORDERS, host, order))
      ordersChanged.ring()
    }
    orders.set(host, order)
  }

  return {
    /** By host: those that this tenure has looked at. */
    orders: orders as ReadonlyMap<string, HostOrder>,
    async run(cells: readonly StoredCell[], epoch: number): Promise<void> {
      const invalid: string[] = []
      for (const host of new Set(cells.map(({ cell }) => cell.host))) {
        try {
          await reconcile(host, cells, epoch)
        } catch (error) {
          // A row that cannot be read holds up its own host, not the ones after it.
          if (!(error instanceof StoreRowInvalid)) throw error
          invalid.push(error.message)
        }
      }
      if (invalid.length > 0) throw new Error(invalid.join('; '))
    },
  }
}
