/**
 * A host's agent: runs the cells that its order names, and goes on when the control plane is gone.
 *
 *   order on disk ──▶ cells ◀── newer orders, by long poll
 *                       └──▶ reports, each second
 *
 * It acts on the order on its own disk at once, before anyone is asked. Everything that it started outlives it if it
 * crashes, and is adopted by the next agent; everything is stopped when it is told to stop.
 */
import { chmod, copyFile, mkdir, readFile, rename } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { formatProblems, type HostOrder, type HostReport } from '@cellplane/contract'
import { identify, isRunning, parseIdentity, writeAtomically } from '@cellplane/host'
import type { Logger } from 'pino'
import { CellSupervisor } from './cell/cell-supervisor.ts'
import { OncePerVersion } from './cell/once-per-version.ts'
import type { HostContext } from './cell/site.ts'
import { sweepHost } from './cell/sweep.ts'
import type { AgentConfig } from './config.ts'
import { connectControlPlane } from './control-plane.ts'
import { followOrder } from './order/follow-order.ts'
import { readOrder, writeOrder } from './order/order-file.ts'
import { keepReporting } from './report/reporter.ts'
import { Turns } from './turns.ts'
import { Wake } from './wake.ts'

export type Agent = {
  /** What it tells the control plane. */
  report(): HostReport
  /** Stops all cells, and resolves when nothing of them runs. */
  stop(): Promise<void>
}

/** Throws when another agent runs on the state directory. */
export async function startAgent(config: AgentConfig, { log }: { log: Logger }): Promise<Agent> {
  await mkdir(config.state_dir, { recursive: true })
  await takeStateDir(config.state_dir)
  const stopping = new AbortController()
  const changed = new Wake()
  const controlPlane = connectControlPlane({
    url: config.control_url,
    tokenFile: config.token_file,
    host: config.host,
  })
  const host: HostContext = {
    config,
    controlPlane,
    log,
    jwks: await publishJwks(config, log),
    path: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
    home: process.env['HOME'] ?? '/',
    turns: new Turns(availableParallelism()),
    builds: new OncePerVersion(),
    onChange: () => changed.set(),
  }
  const orderFile = join(config.state_dir, 'order.json')
  const cells = new Map<string, CellSupervisor>()
  let order: HostOrder | undefined

  async function apply(next: HostOrder): Promise<void> {
    order = next
    const { fleet, directory, components, tokens } = next
    for (const cell of next.cells) {
      const plan = { fleet, directory, components, tokens, cell }
      const known = cells.get(cell.id)
      if (known) known.apply(plan)
      else cells.set(cell.id, new CellSupervisor(host, plan))
    }
    const named = new Set(next.cells.map(({ id }) => id))
    const dropped = [...cells].filter(([id]) => !named.has(id))
    await stopEach(dropped.map(([, supervisor]) => supervisor))
    // Also one that could not be stopped: its loop has ended, and a later order that names the cell needs another.
    for (const [id] of dropped) cells.delete(id)
    // This order is in force already, and nobody would try again: the next sweep ends what is left.
    await sweepHost(config.state_dir, named).catch((error) =>
      log.error({ err: error }, 'cells that no order names could not be stopped'),
    )
    changed.set()
  }

  /** Each on its own: a cell that cannot be stopped must not keep the others from being stopped. */
  async function stopEach(supervisors: CellSupervisor[]): Promise<void> {
    const stops = await Promise.allSettled(supervisors.map((supervisor) => supervisor.stop()))
    for (const stop of stops) {
      if (stop.status === 'rejected') log.error({ err: stop.reason }, 'a cell could not be stopped')
    }
  }

  async function obey(next: HostOrder): Promise<void> {
    // On disk first: what is in force must be in force after a crash too.
    await writeOrder(orderFile, next)
    log.info(
      { epoch: next.epoch, version: next.version, cells: next.cells.length },
      'a new order is in force',
    )
    await apply(next)
  }

  function report(): HostReport {
    return {
      host: config.host,
      at: new Date().toISOString(),
      order: order ? { epoch: order.epoch, version: order.version } : null,
      cells: [...cells.values()].map((cell) => cell.report()),
    }
  }

  const found = await readOrder(orderFile)
  if (found?.ok) await apply(found.value)
  else if (found) {
    const problems = formatProblems(found.problems)
    log.error(
      { file: orderFile, problems },
      'the order on disk is not usable; waiting for the control plane’s',
    )
  }
  const following = followOrder(
    { controlPlane, host: config.host, log, current: () => order, obey },
    stopping.signal,
  )
  const reporting = keepReporting(controlPlane, report, changed, stopping.signal)

  return {
    report,
    async stop() {
      stopping.abort()
      await Promise.all([following, reporting])
      await stopEach([...cells.values()])
      await sweepHost(config.state_dir, new Set(cells.keys()))
    },
  }
}

/** Two agents on one folder would end each other's processes as strays. A dead one's claim is taken over. */
async function takeStateDir(stateDir: string): Promise<void> {
  const file = join(stateDir, 'agent.json')
  const holder = parseIdentity(await readFile(file, 'utf8').catch(() => ''))
  if (holder && holder.pid !== process.pid && isRunning(holder)) {
    throw new Error(
      `an agent (pid ${holder.pid}) runs on ${stateDir} already; stop it, or give this one a state directory of its own`,
    )
  }
  await writeAtomically(file, `${JSON.stringify(identify(process.pid))}\n`)
}

/** The public keys lie among private ones, where no cell's user may go; the cells read a copy. */
async function publishJwks(
  { jwks, state_dir: stateDir }: AgentConfig,
  log: Logger,
): Promise<string | undefined> {
  if (jwks === null || /^https?:/.test(jwks)) return jwks ?? undefined
  const copy = join(stateDir, 'jwks.json')
  try {
    await copyFile(jwks, `${copy}.new`)
    await chmod(`${copy}.new`, 0o644)
    await rename(`${copy}.new`, copy)
  } catch (error) {
    log.error(
      { err: error, file: jwks },
      'the token keys cannot be read; cells go on with the last copy, if any',
    )
  }
  return copy
}
