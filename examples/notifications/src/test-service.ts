/**
 * One cell of the notification service for a test: real PostgreSQL, real sinks, the API on a port of its own, and workers, in this
 * process or as processes of their own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Cell, cellConfigFromEnv, createCell, createLogger } from '@cellplane/cell'
import { startTestPostgres } from '@cellplane/postgres'
import { waitFor } from '@cellplane/testing'
import { getRequestListener } from '@hono/node-server'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { createApp } from './api/app.ts'
import { watchLoad } from './api/load.ts'
import { createFaults } from './sinks/faults.ts'
import { startHttpSink } from './sinks/http.ts'
import { createInbox } from './sinks/inbox.ts'
import { startSmtpSink } from './sinks/smtp.ts'
import { openDatabase } from './store/database.ts'
import { migrate } from './store/migrate.ts'
import { countHeld } from './store/retention.ts'
import { createWaker } from './store/wake.ts'

/** Patient, because the machine is shared; what is waited for takes milliseconds. */
export const PATIENCE_MS = 30_000

/** Quick retries, so that a test sees a whole life in a second. The lease outlasts any test, unless a test wants it to run out. */
const QUICK: Record<string, string> = {
  DELIVERY_DELAY_FIRST_MS: '20',
  DELIVERY_DELAY_MAX_MS: '100',
  DELIVERY_ATTEMPTS_MAX: '4',
  DELIVERY_LEASE_MS: '60000',
  DELIVERY_LOOK_INTERVAL_MS: '50',
}

const SECRET = 'router-secret-of-the-test-cell-0123456789abc'
const ANY_LOCAL_PORT = { host: '127.0.0.1', port: 0 }

export type Answer = { status: number; headers: Headers; body: Record<string, unknown> }
export type TestCell = Awaited<ReturnType<typeof startApi>>
export type TestService = Awaited<ReturnType<typeof startTestService>>

/** Postgres, sinks and an issuer, with as many cells' APIs on top as a test starts. */
export async function startTestService() {
  const directory = await mkdtemp(join(tmpdir(), 'notifications-'))
  const inbox = createInbox(undefined)
  const faults = createFaults()
  const [postgres, smtp, http, issuer] = await Promise.all([
    startTestPostgres(),
    startSmtpSink(inbox, faults, ANY_LOCAL_PORT),
    startHttpSink(inbox, faults, ANY_LOCAL_PORT),
    createIssuer(join(directory, 'jwks.json')),
  ])
  // As the agent does: the second process of a kind starts in half the time.
  const compileCache = join(directory, 'compile-cache')
  const secretFile = join(directory, 'router-secret')
  await writeFile(secretFile, `${SECRET}\n`)
  const env = {
    ...QUICK,
    DATABASE_URL: postgres.url,
    CELLPLANE_CELL: 'cell-001',
    CELLPLANE_SLOT: '0',
    CELLPLANE_ROUTER_SECRET_FILE: secretFile,
    ...issuer.env,
    LOCAL_SINKS_SMTP_PORT: String(smtp.port),
    LOCAL_SINKS_HTTP_PORT: String(http.port),
  }
  const children = new Set<ChildProcess>()
  return {
    postgres,
    inbox,
    faults,
    sinkUrl: http.url,
    env,
    token: issuer.token,
    /** Headers that a router would send with a request of this tenant. */
    routed: (tenant: string, shard: string, cell = 'cell-001'): Record<string, string> => ({
      'cellplane-secret': SECRET,
      'cellplane-cell': cell,
      'cellplane-role': 'home',
      'cellplane-tenant': tenant,
      'cellplane-shard': shard,
    }),
    /** A component as the agent runs it; resolves when it serves. */
    async spawn(component: 'api' | 'worker', more: Record<string, string> = {}) {
      const main = fileURLToPath(new URL(`./${component}/main.ts`, import.meta.url))
      const child = spawn(process.execPath, [main], {
        env: { PATH: process.env['PATH'], PORT: '0', NODE_COMPILE_CACHE: compileCache, ...env, ...more },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      children.add(child)
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
      const url = await waitFor(`${component} to serve`, PATIENCE_MS, () => {
        if (child.exitCode !== null) throw new Error(`${component} ended with ${child.exitCode}:\n${output}`)
        return /"url":"(http:[^"]+)"/.exec(output)?.[1]
      })
      return {
        url,
        output: () => output,
        async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
          child.kill(signal)
          if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
          children.delete(child)
          return child.exitCode
        },
      }
    },
    async stop() {
      for (const child of children) child.kill('SIGKILL')
      await Promise.all([smtp.stop(), http.stop(), postgres.stop()])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** An API in this process, and a customer's view of it. */
export async function startApi(service: TestService, env: Record<string, string> = {}) {
  const config = cellConfigFromEnv({ ...service.env, ...env })
  const database = openDatabase({
    url: config.databaseUrl!,
    name: 'api',
    connectionsMax: 5,
    onIdleError: () => {},
  })
  await migrate(database)
  const lines: string[] = []
  const stop = new AbortController()
  const cell: Cell = createCell(config, {
    logger: createLogger(config, { write: (line) => lines.push(line) }),
    stop: stop.signal,
    dependencies: { postgres: () => database.query('SELECT 1') },
    holdings: () => countHeld(database, config.retentionHours),
  })
  const load = watchLoad(database, config.capacity.queueDepth, () => {})
  const app = createApp({ cell, database, load, wake: createWaker(database) })
  const serving = await cell.serve(createServer(getRequestListener(app.fetch)), { lameDuckMs: 0 })

  async function ask(tenant: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(new URL(path, serving.url), {
      ...init,
      headers: { authorization: `Bearer ${await service.token(tenant)}`, ...init.headers },
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
  }

  return {
    url: serving.url,
    database,
    lines,
    ask,
    send: (tenant: string, message: object, headers: Record<string, string> = {}): Promise<Answer> =>
      ask(tenant, '/v1/notifications', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(message),
      }),
    /** Waits until the notification has this status. */
    waitForStatus: (tenant: string, id: unknown, status: string): Promise<Answer> =>
      waitFor(`${id} to be ${status}`, PATIENCE_MS, async () => {
        const answer = await ask(tenant, `/v1/notifications/${id}`)
        return answer.body['status'] === status && answer
      }),
    async stop() {
      stop.abort()
      await serving.stopped
      await database.close()
      await cell.tracing.stop()
    },
  }
}

async function createIssuer(jwksFile: string) {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' })
  await writeFile(
    jwksFile,
    JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'test', alg: 'EdDSA' }] }),
  )
  return {
    env: {
      CELLPLANE_JWKS: jwksFile,
      CELLPLANE_TOKEN_ISSUER: 'https://issuer.test',
      CELLPLANE_TOKEN_AUDIENCE: 'notifications',
      CELLPLANE_TOKEN_ALGORITHMS: 'EdDSA',
      CELLPLANE_TENANT_CLAIM: 'customer_id',
    },
    token: (tenant: string): Promise<string> =>
      new SignJWT({ customer_id: tenant })
        .setProtectedHeader({ alg: 'EdDSA', kid: 'test' })
        .setIssuer('https://issuer.test')
        .setAudience('notifications')
        .setExpirationTime('1h')
        .sign(privateKey),
  }
}
