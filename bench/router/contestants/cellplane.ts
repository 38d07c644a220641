/**
 * cellplane's router: the real process with the real configuration file, everything on. It starts cold from the last
 * good documents in its state directory; there is no control plane, unless the row has somebody take its telemetry.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseRouterConfig } from '@cellplane/router'
import { freePortRange } from '@cellplane/testing'
import { FLEET, ROUTER_KEY } from '../fleet/bench-fleet.ts'
import { startPinned } from '../processes/pinned-process.ts'
import type { Contestant, Environment } from './contestant.ts'

const MAIN = fileURLToPath(import.meta.resolve('@cellplane/router/main'))
const WITHOUT_TELEMETRY = fileURLToPath(new URL('./processes/without-telemetry.main.ts', import.meta.url))

const NAMED = ['--perf-basic-prof', '--interpreted-frames-native-stack']
/** Of the traces that begin at the router: what is usual where everything is busy. */
const TRACES_SHARE = 0.01

export const cellplane: Contestant = {
  name: 'cellplane',
  isRouting: true,
  isJustInTime: true,
  version: () => `${routerVersion()} on node ${process.version}`,
  async start(environment) {
    const folder = mkdtempSync(join(environment.folder, 'cellplane-'))
    // A port that nobody listens on: the control plane is gone.
    const config = configOf(folder, await freePortRange(1), environment)
    const problems = problemsOf(config)
    if (problems) throw new Error(`the router refuses the bench's configuration: ${problems}`)
    const file = join(folder, 'router.json')
    writeFiles(folder, environment)
    writeFileSync(file, JSON.stringify(config))
    const started = startPinned([process.execPath, ...flagsOf(environment), MAIN, '--config', file], {
      core: environment.core,
      outputFile: join(folder, 'output.log'),
      env: { NODE_COMPILE_CACHE: compiledCode(environment.folder) },
    })
    const line = await started.untilOutput(/\{.*"router listening".*\}/)
    const { port, admin_port: adminPort } = JSON.parse(line[0]) as { port: number; admin_port: number }
    return { ...started, port, adminPort }
  },
}

function flagsOf({ isProfiled, telemetry }: Environment): readonly string[] {
  return [...(isProfiled ? NAMED : []), ...(telemetry === 'none' ? ['--import', WITHOUT_TELEMETRY] : [])]
}

/**
 * The router's compiled code, made once, as `cellplane up` keeps it: a worker that compiles its sources itself has the
 * compiler's memory on top. A start without a configuration loads everything, ends, and leaves the cache behind.
 */
function compiledCode(folder: string): string {
  const cache = join(folder, 'compiled')
  if (!existsSync(cache)) {
    spawnSync(process.execPath, [MAIN], { env: { ...process.env, NODE_COMPILE_CACHE: cache } })
  }
  return cache
}

/** Undefined when this router can speak TLS to clients; else why not. */
export function whyNoTls(environment: Environment): string | undefined {
  return problemsOf(configOf(environment.folder, 1, environment))
}

function problemsOf(config: object): string | undefined {
  const parsed = parseRouterConfig(JSON.stringify(config))
  return parsed.ok ? undefined : parsed.problems.map(({ path, message }) => `${path}: ${message}`).join('; ')
}

/** What is not said here has its default, and the defaults are what production runs. */
function configOf(
  folder: string,
  controlPlanePort: number,
  { certificate, issuer, telemetry }: Environment,
): object {
  const tls = certificate && { cert_file: certificate.certFile, key_file: certificate.keyFile }
  const receivers = typeof telemetry === 'object' ? telemetry : undefined
  return {
    router: 'router-1',
    fleet: FLEET,
    listen: { host: '127.0.0.1', port: 0, ...(tls ? { tls } : {}) },
    admin: { host: '127.0.0.1', port: 0 },
    state_dir: join(folder, 'state'),
    topology: {
      url: receivers?.url ?? `http://127.0.0.1:${controlPlanePort}`,
      token_file: join(folder, 'router.token'),
      trusted_keys_file: join(folder, 'topology.jwks.json'),
    },
    router_key_file: join(folder, 'router.key'),
    jwks: issuer ? { file: join(folder, 'tokens.jwks.json') } : null,
    ...(receivers ? { traces: { otlp_url: receivers.tracesUrl, sample_share: TRACES_SHARE } } : {}),
  }
}

function writeFiles(folder: string, { fleet, issuer }: Environment): void {
  const documents = issuer
    ? fleet.documents(
        { from: 'jwt', claim: issuer.claim },
        { issuer: issuer.issuer, audience: issuer.audience, algorithms: ['EdDSA'] },
      )
    : fleet.documents()
  mkdirSync(join(folder, 'state'))
  const files = {
    'state/base.json': documents.base,
    'state/overlay.json': documents.overlay,
    'topology.jwks.json': fleet.trustedKeys,
    'router.token': 'unused',
    'router.key': ROUTER_KEY,
    ...(issuer ? { 'tokens.jwks.json': issuer.jwks } : {}),
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
}

function routerVersion(): string {
  const manifest = new URL('../package.json', import.meta.resolve('@cellplane/router'))
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}
