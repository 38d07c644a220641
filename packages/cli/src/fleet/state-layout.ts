/** Where everything of one fleet is on this machine: ARCHITECTURE.md, "Processes, files, ports", as paths. */
import { join } from 'node:path'

export type StateLayout = ReturnType<typeof stateLayout>

/** The host that a laptop fleet's cells run on. */
export const LOCAL_HOST = 'local'

export function stateLayout(stateDir: string) {
  const keys = join(stateDir, 'keys')
  const config = join(stateDir, 'config')
  const run = join(stateDir, 'run')
  return {
    stateDir,
    keys,
    adminToken: join(keys, 'admin.token'),
    readerToken: join(keys, 'reader.token'),
    routerToken: join(keys, 'router.token'),
    hostToken: join(keys, 'host.token'),
    topologyKey: join(keys, 'topology.key.pem'),
    /** While the signing key is replaced: the next one, and the public half of the former one. */
    topologyKeyNext: join(keys, 'topology.next.key.pem'),
    topologyKeyFormer: join(keys, 'topology.former.jwks.json'),
    topologyJwks: join(keys, 'topology.jwks.json'),
    routerKey: join(keys, 'router.key'),
    issuerKey: join(keys, 'issuer.key.pem'),
    databasePassword: join(keys, 'postgres.password'),
    /** Outside `keys`, which is closed: cells run as users of their own and verify tokens too. */
    public: join(stateDir, 'public'),
    issuerJwks: join(stateDir, 'public', 'issuer.jwks.json'),
    config,
    fleet: join(config, 'fleet.json'),
    configOf: (process: string) => join(config, `${process}.json`),
    run,
    lock: join(run, 'up.lock'),
    up: join(run, 'up.json'),
    recordOf: (process: string) => join(run, `${process}.json`),
    logs: join(stateDir, 'logs'),
    logOf: (process: string) => join(stateDir, 'logs', `${process}.log`),
    control: join(stateDir, 'control'),
    controlPostgres: join(stateDir, 'control', 'postgres'),
    controlMetrics: join(stateDir, 'control', 'metrics'),
    published: join(stateDir, 'published'),
    routerState: (router: string) => join(stateDir, 'routers', router),
    runtime: join(stateDir, 'runtime'),
    host: join(stateDir, 'hosts', LOCAL_HOST),
    cells: join(stateDir, 'hosts', LOCAL_HOST, 'cells'),
  }
}
