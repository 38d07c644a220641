/** Starts what the fleet file wants beside the fleet on a laptop, such as stand-ins for providers. In any language. */
import { resolve } from 'node:path'
import type { LocalService } from '@cellplane/contract/fleet-file'
import type { StateLayout } from '../fleet/state-layout.ts'
import { startChild } from './child-process.ts'
import { armDeadMansSwitch } from './dead-mans-switch.ts'
import { plainEnvironment } from './plane-process.ts'
import { LISTEN_HOST } from './ports.ts'
import type { Launched } from './supervise.ts'

const STOP_TIMEOUT_MS = 5_000

/** Its process is called `local-<name>`, so that a service named "control" is not taken for the control plane. */
export function localProcessName({ name }: LocalService): string {
  return `local-${name}`
}

/** `ports` by their names; the service reads them as $<NAME>_PORT and listens on $HOST. */
export async function startLocalService(
  service: LocalService,
  directory: string,
  ports: ReadonlyMap<string, number>,
  layout: StateLayout,
): Promise<Launched> {
  const { run } = service
  const launched = await startChild({
    argv: typeof run === 'string' ? ['/bin/sh', '-c', run] : (run as [string, ...string[]]),
    directory: resolve(directory, service.directory),
    env: {
      ...plainEnvironment(),
      HOST: LISTEN_HOST,
      ...Object.fromEntries([...ports].map(([name, port]) => [`${name.toUpperCase()}_PORT`, String(port)])),
      ...service.env,
    },
    logFile: layout.logOf(localProcessName(service)),
    hasChannel: false,
    stopTimeoutMs: STOP_TIMEOUT_MS,
  })
  const deadMan = armDeadMansSwitch(-launched.pid, 'TERM')
  void launched.ended.then(deadMan.disarm)
  return launched
}
