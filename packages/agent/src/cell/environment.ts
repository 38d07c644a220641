/**
 * The environment of a cell's processes: the contract's variables, a few that any program expects, and what the fleet
 * file gives. Nothing of the agent's own environment beyond PATH and the locale, because secrets live there.
 */
import { CELL_ENV, type HostOrder, type HostOrderCell } from '@cellplane/contract'
import type { Component } from '@cellplane/contract/fleet-file'
import type { EnvironmentMark } from '../process/strays.ts'

export type EnvironmentInput = {
  plan: Pick<HostOrder, 'fleet' | 'tokens'> & { cell: HostOrderCell }
  component: Component
  /** `run`, or the lifecycle target that is run once. */
  target: string
  fleetKind: 'stateless' | 'stateful'
  host: string
  /** Of this component, where it listens. */
  port: number | undefined
  databaseUrl: string | undefined
  routerSecretFile: string
  jwks: string | undefined
  /** From the agent's configuration: where spans go. */
  tracesUrl: string | undefined
  home: string
  compileCache: string
  path: string
  /** From the agent's configuration: the ports of local services. */
  componentEnv: Readonly<Record<string, string>>
}

export function environmentOf(input: EnvironmentInput): Record<string, string> {
  const { plan, component } = input
  const { cell, tokens } = plan
  return defined({
    PATH: input.path,
    HOME: input.home,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    NODE_COMPILE_CACHE: input.compileCache,
    ...input.componentEnv,
    ...component.env,
    // Last, so that no fleet file can make a cell believe that it is another.
    [CELL_ENV.port]: input.port === undefined ? undefined : String(input.port),
    [CELL_ENV.host]: input.port === undefined ? undefined : input.host,
    [CELL_ENV.databaseUrl]: input.databaseUrl,
    [CELL_ENV.fleet]: plan.fleet,
    [CELL_ENV.fleetKind]: input.fleetKind,
    [CELL_ENV.cell]: cell.id,
    [CELL_ENV.slot]: String(cell.slot),
    [CELL_ENV.zone]: cell.zone,
    [CELL_ENV.region]: cell.region,
    [CELL_ENV.component]: component.name,
    [CELL_ENV.target]: input.target,
    [CELL_ENV.release]: cell.release,
    [CELL_ENV.routerSecretFile]: input.routerSecretFile,
    [CELL_ENV.jwks]: tokens ? input.jwks : undefined,
    [CELL_ENV.issuer]: tokens?.issuer,
    [CELL_ENV.audience]: tokens?.audience,
    [CELL_ENV.algorithms]: tokens?.algorithms.join(','),
    [CELL_ENV.tenantClaim]: tokens?.claim,
    [CELL_ENV.tracesUrl]: input.tracesUrl,
    [CELL_ENV.retentionHours]: String(cell.retention_hours),
    [CELL_ENV.requestsPerSecond]: cell.capacity['requests_per_second']?.toString(),
    [CELL_ENV.inFlight]: cell.capacity['in_flight']?.toString(),
    [CELL_ENV.queueDepth]: cell.capacity['queue_depth']?.toString(),
  })
}

/**
 * What no process of another cell, component or target carries: the secret file's path names the cell on this machine.
 * Without a component: of all processes of the cell.
 */
export function markOf(routerSecretFile: string, component?: string, target?: string): EnvironmentMark {
  return [
    `${CELL_ENV.routerSecretFile}=${routerSecretFile}`,
    ...(component === undefined ? [] : [`${CELL_ENV.component}=${component}`]),
    ...(target === undefined ? [] : [`${CELL_ENV.target}=${target}`]),
  ]
}

function defined(env: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
