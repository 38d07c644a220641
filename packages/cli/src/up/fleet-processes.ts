/**
 * The processes of a fleet on one machine, in the order in which they depend on each other: started from the bottom,
 * stopped from the top, so that no request meets a half-stopped fleet.
 *
 *     start:  PostgreSQL → control plane → agent (→ cells), routers, local services
 *     stop:   routers → agent (→ cells) → local services → control plane → PostgreSQL
 */
import { readFile } from 'node:fs/promises'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { Failure } from '../failure.ts'
import type { StateLayout } from '../fleet/state-layout.ts'
import { pause } from '../pause.ts'
import { agentStopMs, controlUrl } from './configs.ts'
import { CONTROL_POSTGRES, startControlPostgres } from './control-postgres.ts'
import { endCells } from './leftovers.ts'
import { localProcessName, startLocalService } from './local-service.ts'
import { type Plane, startPlane } from './plane-process.ts'
import type { PortPlan } from './ports.ts'
import { type Launched, type ProcessEnd, type Supervised, supervise } from './supervise.ts'

export type FleetProcesses = {
  /** Bounded in every step. */
  stop(): Promise<void>
  /** SIGKILL for everything, cells included. */
  kill(): Promise<void>
}

export type FleetProcessesInput = {
  layout: StateLayout
  fleet: FleetFile
  directory: string
  ports: PortPlan
  /** A process ended by itself and is started again. */
  onEnd: (name: string, end: ProcessEnd) => void
  /** A step of the start is done. */
  onStep: (what: string) => void
  signal: AbortSignal
}

/** A router finishes requests that are under way, for at most 10 s. */
const ROUTER_STOP_MS = 15_000
const CONTROL_STOP_MS = 15_000

/** Something that ends so often while it starts does not start. */
const START_FAILURES_MAX = 5
const READY_MAX_MS = 120_000
const LOOK_EVERY_MS = 50

/** Starts everything, and resolves when the control plane answers; the cells come up from there by themselves. What was started is stopped again when it fails. */
export async function startProcesses(input: FleetProcessesInput): Promise<FleetProcesses> {
  const { layout, fleet, directory, ports, onEnd, onStep, signal } = input
  /** In the order in which they are to be stopped. */
  const stages: {
    routers: Supervised[]
    agent: Supervised[]
    local: Supervised[]
    control: Supervised[]
    postgres: Supervised[]
  } = { routers: [], agent: [], local: [], control: [], postgres: [] }
  const keep = (name: string, launch: (signal: AbortSignal) => Promise<Launched>): Supervised =>
    supervise({ name, launch, recordFile: layout.recordOf(name), onEnd: (end) => onEnd(name, end) })
  const keepPlane = (plane: Plane, name: string, stopMs: number): Supervised =>
    keep(name, () => startPlane(plane, name, layout, stopMs))

  const processes: FleetProcesses = {
    async stop() {
      for (const stage of [stages.routers, stages.agent]) await Promise.all(stage.map((each) => each.stop()))
      await endCells(layout, true)
      for (const stage of [stages.local, stages.control, stages.postgres]) {
        await Promise.all(stage.map((each) => each.stop()))
      }
    },
    async kill() {
      for (const each of Object.values(stages).flat()) each.kill()
      await endCells(layout, false)
    },
  }
  try {
    const postgres = keep(CONTROL_POSTGRES, (aborted) =>
      startControlPostgres(layout, ports.controlPostgres, aborted),
    )
    stages.postgres.push(postgres)
    stages.local.push(
      ...fleet.local.services.map((service) =>
        keep(localProcessName(service), () =>
          startLocalService(service, directory, ports.local.get(service.name) ?? new Map(), layout),
        ),
      ),
    )
    await until(postgres, layout, signal, async () => postgres.pid() !== undefined)
    onStep('PostgreSQL of the control plane runs')

    const control = keepPlane('control', 'control', CONTROL_STOP_MS)
    stages.control.push(control)
    stages.routers.push(...[...ports.admin.keys()].map((name) => keepPlane('router', name, ROUTER_STOP_MS)))
    await until(control, layout, signal, () => answers(`${controlUrl(ports)}/readyz`))
    onStep('the control plane runs')

    stages.agent.push(keepPlane('agent', 'agent', agentStopMs(fleet)))
    return processes
  } catch (error) {
    await processes.stop()
    throw error
  }
}

/** Fails when the process ends again and again, with the end of its log. */
async function until(
  waited: Supervised,
  layout: StateLayout,
  signal: AbortSignal,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + READY_MAX_MS
  for (;;) {
    signal.throwIfAborted()
    if (await isReady()) return
    const end = waited.lastEnd()
    const isHopeless = end !== undefined && (end.isHopeless || waited.failures() >= START_FAILURES_MAX)
    if (isHopeless || performance.now() > deadline) {
      const how =
        end?.how ?? `was not ready within ${READY_MAX_MS / 1000} s; see ${layout.logOf(waited.name)}`
      throw new Failure(
        'START_FAILED',
        `${waited.name} does not start: it ${how}${await logEnd(layout.logOf(waited.name))}`,
      )
    }
    await pause(LOOK_EVERY_MS, signal)
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}

const LOG_LINES_SHOWN = 5

async function logEnd(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const lines = text.trimEnd().split('\n').slice(-LOG_LINES_SHOWN)
  return text === '' ? '' : `; its last lines:\n  ${lines.join('\n  ')}`
}
