/** Starts our own processes: control plane, routers, agent. Each gets its configuration file and a clean environment. */
import { getCompileCacheDir } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StateLayout } from '../fleet/state-layout.ts'
import { startChild } from './child-process.ts'
import type { Launched } from './supervise.ts'

export type Plane = 'control' | 'agent' | 'router'

/** Resolved by package, so that the planes stay processes of their own and nothing of them is loaded here. */
const ENTRIES: Readonly<Record<Plane, () => string>> = {
  control: () => import.meta.resolve('@cellplane/control/main'),
  agent: () => import.meta.resolve('@cellplane/agent/main'),
  router: () => import.meta.resolve('@cellplane/router/main'),
}

/** `name` is the process's: `router-1`. */
export function startPlane(
  plane: Plane,
  name: string,
  layout: StateLayout,
  stopTimeoutMs: number,
): Promise<Launched> {
  return startChild({
    argv: [process.execPath, fileURLToPath(ENTRIES[plane]()), '--config', layout.configOf(name)],
    directory: layout.stateDir,
    env: { ...plainEnvironment(), NODE_COMPILE_CACHE: compileCacheOf(layout) },
    logFile: layout.logOf(name),
    hasChannel: true,
    stopTimeoutMs,
  })
}

/** The one that this CLI reads, so that a new fleet's planes start like an old one's; the planes run as the same user. */
function compileCacheOf(layout: StateLayout): string {
  const own = getCompileCacheDir()
  // Inside it, each version of Node has a folder.
  return own === undefined ? join(layout.run, 'compile-cache') : dirname(own)
}

/** What any program expects, and nothing of our own: a shell's environment holds tokens. */
const PASSED_ON = [
  'HOME',
  'USER',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'SSL_CERT_FILE',
  'NODE_EXTRA_CA_CERTS',
] as const

export function plainEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const entries = PASSED_ON.flatMap((name) => {
    const value = env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  // Our Node first: a component that says `node` is to run on one that is new enough.
  return {
    PATH: `${dirname(process.execPath)}:${env['PATH'] ?? '/usr/bin:/bin'}`,
    ...Object.fromEntries(entries),
  }
}
