/**
 * The same service as `cellplane up` runs it: cells under an agent, two routers, the control plane and its database, with
 * their defaults. The crashes are read from the cells' own logs.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startFleet } from '@cellplane/testing'
import type { Crash, GroundKind } from './ground.ts'

const FLEET_FILE = fileURLToPath(new URL('../cellplane.yaml', import.meta.url))
const QUARANTINE = 'quarantine'

type AdminStatus = { cells: { cell: string; is_ejected: boolean; is_marked_unhealthy: boolean }[] }

export const cellplane: GroundKind = {
  name: 'cellplane',
  about:
    'the same cells behind cellplane: a shard is two cells whatever happens, and there is a quarantine cell',
  async start({ cells }) {
    const fleet = await startFleet({ fleetFile: FLEET_FILE, cells, spareCells: 0 })
    const client = fleet.client()
    return {
      url: fleet.routerUrl,
      crashes: () => crashesIn(join(fleet.stateDir, 'hosts/local/cells')),
      async quarantined() {
        const { quarantines } = await client.listQuarantines({ query: {} })
        return quarantines.map(({ tenant }) => tenant)
      },
      async takenOut() {
        const routers = await Promise.all(
          fleet.adminUrls.map(async (url) => (await (await fetch(`${url}/status`)).json()) as AdminStatus),
        )
        const out = routers
          .flatMap((router) => router.cells)
          .filter((one) => one.cell !== QUARANTINE && (one.is_ejected || one.is_marked_unhealthy))
        return [...new Set(out.map(({ cell }) => cell))]
      },
      stop: () => fleet.remove(),
    }
  },
}

function crashesIn(folder: string): Crash[] {
  return readdirSync(folder)
    .filter((cell) => cell !== QUARANTINE)
    .flatMap((cell) => {
      const logs = join(folder, cell, 'logs')
      return readdirSync(logs)
        .flatMap((file) => readFileSync(join(logs, file), 'utf8').split('\n'))
        .filter((line) => line.includes('"msg":"crash"'))
        .map((line) => ({ cell, at: (JSON.parse(line.slice(line.indexOf('{'))) as { at: number }).at }))
    })
}
