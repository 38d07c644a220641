/** A host for tests: a folder of its own, free ports, a tiny control plane, and a service that is not JavaScript. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HostOrder, type HostOrderCell, type HostReport, hostReportSchema } from '@cellplane/contract'
import type { Component } from '@cellplane/contract/fleet-file'
import * as v from 'valibot'
import { agentConfigSchema } from './config.ts'

/** Answers its health, its environment and its holdings, and can be made ill: all that a cell's component may do. */
const SERVICE = `
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = 404, {}
        if self.path == '/healthz':
            status = 503 if os.path.exists(os.path.join(os.environ['HOME'], 'ill')) else 200
        elif self.path == '/env':
            status, body = 200, dict(os.environ, uid=str(os.getuid()))
        elif self.path == '/cellplane/holdings':
            secrets = open(os.environ['CELLPLANE_ROUTER_SECRET_FILE']).read().split()
            status = 200 if self.headers['cellplane-secret'] in secrets else 403
            body = {'undelivered': 3, 'retained': 5, 'retained_until': None}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format, *args):
        pass

http.server.ThreadingHTTPServer((os.environ['HOST'], int(os.environ['PORT'])), Handler).serve_forever()
`

/** Why a suite cannot run here, or false: what the service and the Makefile's targets need beyond npm. */
export function missingPrograms(): string | false {
  const missing = ['python3', 'make'].filter((program) => spawnSync(program, ['--version']).status !== 0)
  return missing.length > 0 && `${missing.join(' and ')} not installed`
}

export const HOST_TOKEN = 'host-token-that-no-component-may-see'
const ROUTER_SECRET = 'router-secret-0123456789-0123456789-0123456789'

export class TestHost {
  readonly directory: string
  readonly stateDir: string
  readonly portBase: number
  readonly #server: Server
  #order: HostOrder | undefined
  /** What the agent sent; the latest last. Bounded by the length of a test. */
  readonly reports: HostReport[] = []
  /** How often the agent asked for its order. */
  orderRequests = 0

  private constructor(directory: string, portBase: number, server: Server) {
    this.directory = directory
    this.portBase = portBase
    this.stateDir = join(directory, 'state')
    this.#server = server
  }

  static async start(portBase: number): Promise<TestHost> {
    const directory = await mkdtemp(join(tmpdir(), 'cellplane-agent-'))
    await chmod(directory, 0o711)
    await mkdir(join(directory, 'fleet'), { mode: 0o755 })
    await writeFile(join(directory, 'fleet', 'service.py'), SERVICE, { mode: 0o644 })
    await writeFile(join(directory, 'host.token'), `${HOST_TOKEN}\n`, { mode: 0o600 })
    await writeFile(join(directory, 'jwks.json'), '{"keys":[]}', { mode: 0o600 })
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const host = new TestHost(directory, portBase, server)
    host.#serve()
    return host
  }

  get fleetDir(): string {
    return join(this.directory, 'fleet')
  }

  get config() {
    return v.parse(agentConfigSchema, {
      host: 'local',
      control_url: `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`,
      token_file: join(this.directory, 'host.token'),
      state_dir: this.stateDir,
      port_base: this.portBase,
      jwks: join(this.directory, 'jwks.json'),
      fleet_kind: 'stateless',
      component_env: { LOCAL_SINKS_SMTP_PORT: '2525' },
      traces: { otlp_url: 'http://127.0.0.1:4318/v1/traces' },
      runtime_dir: this.directory,
    })
  }

  /** What the control plane will answer from now on; undefined: nothing but 503. */
  order(order: HostOrder | undefined): void {
    this.#order = order
  }

  makeOrder(
    cells: Partial<HostOrderCell>[],
    components: Component[],
    more: Partial<HostOrder> = {},
  ): HostOrder {
    return {
      host: 'local',
      fleet: 'shop',
      epoch: 1,
      version: 1,
      directory: this.fleetDir,
      components,
      cells: cells.map((cell, slot) => ({
        id: `cell-00${slot + 1}`,
        slot,
        zone: 'local',
        region: 'local',
        role: 'serving',
        wanted: 'running',
        release: 'r1',
        database: 'none',
        health_path: '/healthz',
        holdings: 'none',
        retention_hours: 168,
        capacity: {},
        memory_mb: null,
        cpus: null,
        ...cell,
      })),
      tokens: null,
      ...more,
    }
  }

  /** The agent as a process of its own, which can be killed, bound to this process by its channel. */
  async spawnAgent(): Promise<ChildProcess> {
    const file = join(this.directory, 'agent.json')
    await writeFile(file, JSON.stringify({ ...this.config, parent_bound: true }))
    const main = new URL('./main.ts', import.meta.url).pathname
    return spawn(process.execPath, [main, '--config', file], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { PATH: process.env['PATH'], HOME: this.directory, PLANTED_SECRET: HOST_TOKEN },
    })
  }

  async remove(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await rm(this.directory, { recursive: true, force: true })
  }

  #serve(): void {
    this.#server.on('request', async (request, response) => {
      const answer = (status: number, body?: unknown, headers = {}) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers })
        response.end(body === undefined ? undefined : JSON.stringify(body))
      }
      if (request.headers.authorization !== `Bearer ${HOST_TOKEN}`) return answer(401)
      const url = request.url ?? ''
      if (url.includes('/order')) this.orderRequests++
      if (!this.#order) return answer(503)
      const cell = /\/cells\/([^/]+)\/credentials$/.exec(url)?.[1]
      if (cell) return answer(200, { cell, router_secrets: [ROUTER_SECRET], database_url: null })
      if (url.endsWith('/report')) {
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(chunk as Buffer)
        this.reports.push(v.parse(hostReportSchema, JSON.parse(Buffer.concat(chunks).toString())))
        return answer(204)
      }
      const etag = `"${this.#order.epoch}.${this.#order.version}"`
      if (request.headers['if-none-match'] === etag) return answer(304)
      return answer(200, this.#order, { etag })
    })
  }
}

/** A component as the fleet file's parser would complete it. */
export function component(more: Partial<Component> & { name: string }): Component {
  return {
    run: 'exec python3 service.py',
    directory: '.',
    serves: false,
    port: false,
    targets: {},
    make: false,
    env: {},
    stop_timeout_seconds: 5,
    ...more,
  }
}

export const api = (more: Partial<Component> = {}): Component =>
  component({ name: 'api', serves: true, health_path: '/healthz', ...more })
