/**
 * A host in the simulation: an agent that obeys orders (by the shipped rule of which orders to obey), starts and restarts
 * its cells' processes, and reports them each second. The cells go on when the agent is gone.
 */

import { acceptOrder } from '@cellplane/agent/accept-order'
import type { HostOrder, HostReport } from '@cellplane/contract'
import type { CellNode } from './cell-node.ts'
import type { Network } from './network.ts'
import type { Place, Process, World } from './world.ts'

/** What its folder holds; it outlives the agent. */
export type HostFolder = { order: HostOrder | undefined }

export type HostNode = ReturnType<typeof createHostNode>

const REPORT_MS = 1_000
const ORDER_POLL_MS = 4_000
const ANSWER_TIMEOUT_MS = 5_000
/** A process that ended is started again after so long, and is up as long after that. */
const RESTART_MS = { least: 500, most: 3_000 }

export type HostNodeParts = {
  world: World
  network: Network
  host: Place
  /** The cell of that id, made when it was not there before. */
  cellOf(id: string, slot: number, host: Place): CellNode
}

export function createHostNode({ world, network, host, cellOf }: HostNodeParts) {
  const folder: HostFolder = { order: undefined }
  let agent: Process | undefined
  let refusals = 0

  async function follow(owner: Process): Promise<void> {
    let etag: string | null = null
    for (;;) {
      try {
        const response: Response = await fetch(`http://control/v1/hosts/${host}/order`, {
          headers: etag === null ? {} : { 'if-none-match': etag },
          signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
        })
        if (response.status === 200) {
          let text = ''
          for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString()
          const accepted = acceptOrder(folder.order, JSON.parse(text) as HostOrder, host)
          if (accepted.ok) folder.order = accepted.value
          else if (accepted.problems[0]?.code !== 'ORDER_UNCHANGED') refusals++
          etag = response.headers.get('etag')
        }
      } catch {
        // The order in force stays; the next poll asks again.
      }
      await new Promise((resolve) => setTimeout(resolve, ORDER_POLL_MS * (0.9 + Math.random() / 5)))
      if (!owner.isAlive) return
    }
  }

  const ownCells = () =>
    (folder.order?.cells ?? []).map((wanted) => ({ wanted, cell: cellOf(wanted.id, wanted.slot, host) }))

  /** Keeps the processes as the order has them. */
  function keep(restartAt: Map<string, number>): void {
    for (const { wanted, cell } of ownCells()) {
      if (wanted.wanted === 'stopped') {
        cell.crash()
        continue
      }
      if (cell.isUp() || cell.trouble.staysDown) {
        restartAt.delete(cell.id)
        continue
      }
      const at = restartAt.get(cell.id)
      if (at === undefined) {
        restartAt.set(
          cell.id,
          world.now() + world.current().random.between(RESTART_MS.least, RESTART_MS.most),
        )
      } else if (world.now() >= at) cell.start()
    }
  }

  async function report(): Promise<void> {
    const { order } = folder
    const body: HostReport = {
      host,
      at: new Date().toISOString(),
      order: order ? { epoch: order.epoch, version: order.version } : null,
      cells: ownCells()
        .filter(({ wanted }) => wanted.wanted === 'running')
        .map(({ cell }) => ({
          id: cell.id,
          slot: cell.slot,
          is_running: cell.isUp(),
          endpoint: `http://${cell.id}:80`,
          stores: [{ kind: 'postgres', location: `${cell.id}:5432/app`, identity: `${cell.id}/app` }],
          components: [],
          holdings: { undelivered: 0, retained: 0, retained_until: null },
          limits: 'none',
        })),
    }
    await fetch(`http://control/v1/hosts/${host}/report`, {
      method: 'POST',
      // Handed over as it is: nobody changes it, and text would only be parsed again.
      body: body as unknown as string,
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    }).catch(() => {})
  }

  return {
    host,
    folder,
    refusals: () => refusals,
    isUp: () => agent?.isAlive === true,
    owner: () => agent,
    start(skewMs: number): void {
      const owner = world.spawn(host, skewMs)
      agent = owner
      const restartAt = new Map<string, number>()
      world.schedule(owner, 0, () => {
        void follow(owner)
        setInterval(() => {
          keep(restartAt)
          void report()
        }, REPORT_MS)
      })
    },
    kill(): void {
      if (agent) network.kill(agent)
    },
  }
}
