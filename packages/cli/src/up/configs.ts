/** The configuration file of every process, as its own package defines it. They hold secrets or their paths: 0600. */
import { resolve } from 'node:path'
import { cellsOf, type FleetFile } from '@cellplane/contract/fleet-file'
import { writeAtomically } from '@cellplane/host'
import { LOCAL_HOST, type StateLayout } from '../fleet/state-layout.ts'
import { jsonText } from '../json-text.ts'
import { tenantClaimOf } from '../tokens/development-issuer.ts'
import { observabilityOfAgent, observabilityOfControl, observabilityOfRouter } from './observability.ts'
import { LISTEN_HOST, type PortPlan } from './ports.ts'

export type ConfigInput = {
  layout: StateLayout
  /** With flags applied and the development issuer filled in. */
  fleet: FleetFile
  /** The fleet file's folder. */
  directory: string
  ports: PortPlan
  /** Of the control plane's database. */
  databaseUrl: string
}

/** Writes one file a process: `control`, `agent`, `router-1`, … */
export async function writeConfigs(input: ConfigInput): Promise<void> {
  const routers = [...input.ports.admin].map(
    ([router, port]) => [router, routerConfig(input, router, port)] as const,
  )
  for (const [name, config] of [
    ['control', controlConfig(input)],
    ['agent', agentConfig(input)],
    ...routers,
  ] as const) {
    await writeAtomically(input.layout.configOf(name), jsonText(config))
  }
}

export function controlUrl(ports: PortPlan): string {
  return `http://${LISTEN_HOST}:${ports.control}`
}

function controlConfig({ layout, fleet, directory, ports, databaseUrl }: ConfigInput): object {
  return {
    fleet_file: layout.fleet,
    listen: { host: LISTEN_HOST, port: ports.control },
    database_url: databaseUrl,
    tokens: [
      // Whoever runs a fleet on a laptop is all of its operators.
      { role: 'admin', name: 'local admin', token_file: layout.adminToken, may_force: true },
      { role: 'reader', name: 'local reader', token_file: layout.readerToken },
      { role: 'router', name: 'routers', token_file: layout.routerToken },
      { role: 'host', name: `host ${LOCAL_HOST}`, token_file: layout.hostToken },
    ],
    signing_key_file: layout.topologyKey,
    trusted_keys_file: layout.topologyJwks,
    router_key_file: layout.routerKey,
    publish_dir: layout.published,
    metrics_dir: layout.controlMetrics,
    ...observabilityOfControl(fleet.observability, directory),
    default_host: LOCAL_HOST,
    parent_bound: true,
  }
}

function routerConfig(
  { layout, fleet, directory, ports }: ConfigInput,
  router: string,
  adminPort: number,
): object {
  const keys = tenantKeys(fleet, directory, layout)
  return {
    router,
    fleet: fleet.fleet,
    listen: { host: LISTEN_HOST, port: ports.router },
    admin: { host: LISTEN_HOST, port: adminPort },
    state_dir: layout.routerState(router),
    topology: {
      url: controlUrl(ports),
      token_file: layout.routerToken,
      trusted_keys_file: layout.topologyJwks,
    },
    router_key_file: layout.routerKey,
    jwks: keys === null ? null : /^https?:/.test(keys) ? { url: keys } : { file: keys },
    ...observabilityOfRouter(fleet.observability),
    parent_bound: true,
  }
}

function agentConfig({ layout, fleet, directory, ports }: ConfigInput): object {
  return {
    host: LOCAL_HOST,
    control_url: controlUrl(ports),
    token_file: layout.hostToken,
    state_dir: layout.host,
    port_base: ports.cellBase,
    listen_host: LISTEN_HOST,
    jwks: tenantKeys(fleet, directory, layout),
    fleet_kind: fleet.kind,
    component_env: localPortVariables(ports),
    ...observabilityOfAgent(fleet.observability),
    runtime_dir: layout.runtime,
    parent_bound: true,
  }
}

/** Path or URL of the keys of the tenants' tokens; null when no rule reads one. */
function tenantKeys(fleet: FleetFile, directory: string, layout: StateLayout): string | null {
  if (tenantClaimOf(fleet) === undefined) return null
  const { jwks_url: url, jwks_file: file } = fleet.tokens ?? {}
  return url ?? (file === undefined ? layout.issuerJwks : resolve(directory, file))
}

/** `LOCAL_SINKS_SMTP_PORT`: what components know of local services. */
function localPortVariables({ local }: PortPlan): Record<string, string> {
  return Object.fromEntries(
    [...local].flatMap(([service, ports]) =>
      [...ports].map(([name, port]) => [
        `LOCAL_${service.toUpperCase().replaceAll('-', '_')}_${name.toUpperCase()}_PORT`,
        String(port),
      ]),
    ),
  )
}

/** The longest that an agent takes to stop: its slowest component, then PostgreSQL, each bounded. */
export function agentStopMs(fleet: FleetFile): number {
  const components = Math.max(...fleet.components.map((component) => component.stop_timeout_seconds * 1000))
  return components + POSTGRES_STOP_MS + cellsOf(fleet).length * STOP_PER_CELL_MS
}

/** A fast stop, then an immediate one, then SIGKILL, as @cellplane/postgres bounds them. */
const POSTGRES_STOP_MS = 25_000
/** Many cells stop at once, on few cores. */
const STOP_PER_CELL_MS = 500
