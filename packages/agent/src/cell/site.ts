/** Where a cell's processes run: everything about a cell that turns a command of the fleet file into a process. */
import { resolve } from 'node:path'
import type { HostOrder, HostOrderCell } from '@cellplane/contract'
import type { Component } from '@cellplane/contract/fleet-file'
import type { Logger } from 'pino'
import type { AgentConfig } from '../config.ts'
import type { ControlPlane } from '../control-plane.ts'
import type { ProcessSpec } from '../process/kept-process.ts'
import type { Turns } from '../turns.ts'
import type { CellFolder } from './cell-folder.ts'
import { environmentOf, markOf } from './environment.ts'
import type { OncePerVersion } from './once-per-version.ts'
import type { CellUsers } from './os-user.ts'
import type { CellPorts } from './ports.ts'

/** What a cell is to be: the part of a host's order that concerns it. */
export type CellPlan = Pick<HostOrder, 'fleet' | 'directory' | 'components' | 'tokens'> & {
  cell: HostOrderCell
}

/** What all cells of a host have in common. */
export type HostContext = {
  config: AgentConfig
  controlPlane: ControlPlane
  log: Logger
  /** Where the components find the tokens' keys: a URL, or a file that every cell may read. */
  jwks: string | undefined
  /** PATH of the components: this agent's Node first. */
  path: string
  /** HOME of what runs for the host rather than for a cell. */
  home: string
  /** At most so many clusters are made at once: each keeps a core busy for a second. */
  turns: Turns
  builds: OncePerVersion
  /** Something that the report tells has changed. */
  onChange(): void
}

export type CellSite = {
  host: HostContext
  plan: CellPlan
  folder: CellFolder
  users: CellUsers
  ports: CellPorts
  /** undefined where the cell has no database. */
  databaseUrl: string | undefined
}

/** The process of a component (`run`) or of one of its targets in this cell. */
export function processOf(
  { host, plan, folder, users, ports, databaseUrl }: CellSite,
  component: Component,
  target: string,
  argv: readonly string[],
): ProcessSpec {
  const env = environmentOf({
    plan,
    component,
    target,
    fleetKind: host.config.fleet_kind,
    host: host.config.listen_host,
    port: ports.components.get(component.name),
    databaseUrl,
    routerSecretFile: folder.routerSecretFile,
    jwks: host.jwks,
    tracesUrl: host.config.traces?.otlp_url,
    home: folder.home,
    compileCache: folder.compiled,
    path: host.path,
    componentEnv: host.config.component_env,
  })
  return {
    argv,
    directory: directoryOf(plan, component),
    env,
    mark: markOf(folder.routerSecretFile, component.name, target),
    osUser: users.components,
    logFile: folder.logFile(component.name),
    recordFile: folder.recordFile(component.name, target),
    log: host.log,
    stopTimeoutMs: component.stop_timeout_seconds * 1000,
  }
}

export function directoryOf(plan: Pick<CellPlan, 'directory'>, component: Component): string {
  return resolve(plan.directory, component.directory)
}
