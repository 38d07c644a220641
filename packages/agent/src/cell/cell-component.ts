/** A component in a cell, kept running: waits for the cell's database, takes its port, is asked for its health. */
import type { Component } from '@cellplane/contract/fleet-file'
import { argvOf, findTarget } from '../component/command.ts'
import {
  aliveCheck,
  commandCheck,
  connectCheck,
  type HealthCheck,
  httpCheck,
} from '../component/health-check.ts'
import { Keeper } from '../component/keeper.ts'
import type { CellLimits } from '../limits/cgroup.ts'
import { adoptProcess, type KeptProcess, launchProcess } from '../process/kept-process.ts'
import { isPortFree } from '../process/port.ts'
import type { CellPostgres } from './database.ts'
import { portTaken } from './ports.ts'
import { type CellSite, directoryOf, processOf } from './site.ts'

export type ComponentOptions = {
  site: CellSite
  component: Component
  limits: CellLimits
  /** The cell's own server; undefined where it has none. */
  database: CellPostgres | undefined
}

/** Starts at once. */
export async function keepComponent(options: ComponentOptions): Promise<Keeper> {
  const { site, component, limits, database } = options
  const { host, plan } = site
  const spec = processOf(site, component, 'run', argvOf(component.run))
  const port = site.ports.components.get(component.name)
  const health = await healthCheckOf(site, component)

  async function launch(signal: AbortSignal): Promise<KeptProcess> {
    // A component that starts without its database would only crash until it is there.
    await database?.whenServing(signal)
    signal.throwIfAborted()
    const launched = await launchProcess(spec, checkPort)
    await limits.add(launched.pid)
    return launched
  }

  async function adopt(): Promise<KeptProcess | undefined> {
    const adopted = await adoptProcess(spec)
    if (adopted) await limits.add(adopted.pid)
    return adopted
  }

  async function checkPort(): Promise<void> {
    if (port !== undefined && !(await isPortFree(host.config.listen_host, port))) {
      throw new Error(portTaken(port, `${plan.cell.id}/${component.name}`))
    }
  }

  return new Keeper({
    name: component.name,
    log: host.log.child({ cell: plan.cell.id }),
    adopt,
    launch: (signal, enter) => {
      enter('waiting')
      return launch(signal)
    },
    check: health.check,
    checkEveryMs: health.everyMs,
    isExcused: () => database !== undefined && !database.isServing,
    onChange: host.onChange,
  })
}

async function healthCheckOf(site: CellSite, component: Component): Promise<HealthCheck> {
  const { listen_host: address } = site.host.config
  const port = site.ports.components.get(component.name)
  if (port !== undefined && component.health_path !== undefined) {
    return httpCheck(`http://${address}:${port}${component.health_path}`)
  }
  const argv = await findTarget(component, 'health', directoryOf(site.plan, component))
  if (argv) return commandCheck(processOf(site, component, 'health', argv))
  return port === undefined ? aliveCheck : connectCheck(address, port)
}
