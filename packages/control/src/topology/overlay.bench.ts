/**
 * Bench: how long after an operator's word every consumer acts on it.
 *
 *     npm run bench:overlay [-- --json] [-- --changes 100]
 *
 * A control plane on PostgreSQL, at its default rhythms; 3 router processes; 47 direct routers of the client in three more
 * processes, each with its own stream of events and its own conditional requests. A tenant is put into quarantine and let
 * out, again and again. Measured is from before the request of the operator is sent until a consumer routes the tenant
 * otherwise, so it has all in it: the transaction, planning, signing, storing, telling, fetching, verifying, applying, and
 * up to 5 ms until that is noticed. Goal: p99 of all consumers ≤ 500 ms.
 *
 * Then the same without push (the streams are refused, as by a proxy that cannot do them): a poll and no more.
 *
 * Back of the envelope: a run of the reconcilers with four transactions, 30 ms; 50 events and 53 conditional requests
 * (routers ask for both documents) at 1 ms of the control plane's processor each and 1 ms of the consumer's: 100 ms on one
 * core for the last of the 50, half of that on two.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { keyIdOf, privateKeyFromPem } from '@cellplane/contract'
import { TOPOLOGY_EVENTS_PATH } from '@cellplane/contract/api'
import { startTestPostgres } from '@cellplane/postgres'
import { flag, number, readFlags } from '@cellplane/testing/flags'
import type { ConsumersLook, ConsumersSaid, ConsumersStart } from '@cellplane/testing/topology-consumers'
import { type ControlFixture, createControlFixture } from '../fixtures/control-fixture.ts'
import { createDatabase } from '../fixtures/test-databases.ts'

const ROUTERS = 3
/** Subscribers by process; each process watches one router as well. */
const SUBSCRIBERS = [16, 16, 15]
const TENANT = 'probe'
/** Between two changes, by chance, so that they fall on every part of the consumers' rhythms. */
const GAP_MS = { from: 50, to: 350 }
const PUSHED_POLL_MS = 5_000
const POLL_MS = 1_000
const POLLED_CHANGES = 10
const TIMEOUT_MS = 30_000

const values = readFlags({
  command: 'npm run bench:overlay --',
  about: 'Measures how long after an operator’s word 3 routers and 47 clients act on it.',
  flags: {
    changes: number(100, 'quarantines and releases that are measured', { least: 1, isWhole: true }),
    json: flag('print JSON'),
  },
})

const postgres = await startTestPostgres()
const fixture = await createControlFixture(await createDatabase(postgres))
const children: ChildProcess[] = []
try {
  await fixture.startCells()
  await fixture.start({ timing: {} })
  await fixture.waitFor('the first base', async () => (await fixture.status()).base)

  const pushed = await measure(fixture.url(), PUSHED_POLL_MS, values.changes)
  const proxy = await startProxyWithoutStreams(fixture.url())
  const polled = await measure(proxy.url, POLL_MS, POLLED_CHANGES)
  proxy.stop()

  const result = {
    bench: 'overlay',
    consumers: { routers: ROUTERS, subscribers: SUBSCRIBERS.reduce((sum, count) => sum + count, 0) },
    push: { poll_ms: PUSHED_POLL_MS, ...pushed },
    no_push: { poll_ms: POLL_MS, ...polled },
  }
  console.log(values.json ? JSON.stringify(result) : told(result.push, result.no_push))
} finally {
  for (const child of children) child.kill('SIGKILL')
  await fixture.remove()
  await postgres.stop()
}

type Figures = { samples: number; p50_ms: number; p99_ms: number; max_ms: number }
type Measured = {
  changes: number
  all: Figures
  routers: Figures
  subscribers: Figures
  last_of_all: Figures
}

function told(push: Measured, noPush: Measured & { poll_ms: number }): string {
  const line = ({ p50_ms, p99_ms, max_ms }: Figures) => `p50 ${p50_ms} ms, p99 ${p99_ms} ms, max ${max_ms} ms`
  return [
    `with push, ${push.changes} changes, ${push.all.samples} times applied: ${line(push.all)} (goal: p99 500)`,
    `  routers: ${line(push.routers)}`,
    `  subscribers: ${line(push.subscribers)}`,
    `  the last of all that had to hear of a change: ${line(push.last_of_all)}`,
    `without push, a poll every ${noPush.poll_ms} ms, ${noPush.changes} changes: ${line(noPush.all)}`,
  ].join('\n')
}

async function measure(url: string, pollMs: number, changes: number): Promise<Measured> {
  const routers: { child: ChildProcess; adminPort: number }[] = []
  for (let i = 0; i < ROUTERS; i++) routers.push(await startRouter(`router-${i + 1}`, url, pollMs))
  const consumers = await Promise.all(
    SUBSCRIBERS.map((subscribers, i) => startConsumers(url, pollMs, subscribers, routers[i]!.adminPort)),
  )
  // The routers' first poll, and the base that is due when they begin to report.
  await lookAt(consumers, false)
  const found = { routers: [] as number[], subscribers: [] as number[], last: [] as number[] }
  for (let change = 1; change <= changes; change++) {
    await delay(GAP_MS.from + Math.random() * (GAP_MS.to - GAP_MS.from))
    const isQuarantined = change % 2 === 1
    const looking = lookAt(consumers, isQuarantined)
    const beganAt = Number(process.hrtime.bigint()) / 1e6
    await say(isQuarantined)
    const seen = await looking
    const took = (kind: 'routers' | 'subscribers') =>
      seen.flatMap((one) => one[kind]).map((at) => (at ?? Number.POSITIVE_INFINITY) - beganAt)
    found.routers.push(...took('routers'))
    found.subscribers.push(...took('subscribers'))
    found.last.push(Math.max(...took('routers'), ...took('subscribers')))
  }
  for (const { child } of [...routers, ...consumers.map((child) => ({ child }))]) child.kill('SIGKILL')
  return {
    changes,
    all: figures([...found.routers, ...found.subscribers]),
    routers: figures(found.routers),
    subscribers: figures(found.subscribers),
    last_of_all: figures(found.last),
  }
}

async function say(isQuarantined: boolean): Promise<void> {
  const params = { tenant: TENANT }
  const { status, body } = isQuarantined
    ? await fixture.call('quarantineTenant', { params, body: { reason: 'bench' } })
    : await fixture.call('releaseTenant', { params, query: { reason: 'bench' } })
  if (status !== 200) throw new Error(`the control plane answered ${status}: ${JSON.stringify(body)}`)
}

async function startRouter(name: string, url: string, pollMs: number) {
  const { file } = fixture
  await writeFile(file('topology.jwks.json'), JSON.stringify(await trustedKeys(fixture)))
  const config = {
    router: name,
    fleet: 'test',
    listen: { host: '127.0.0.1', port: 0 },
    admin: { host: '127.0.0.1', port: 0 },
    state_dir: file(`${name}-${new URL(url).port}`),
    topology: { url, token_file: file('router.token'), trusted_keys_file: file('topology.jwks.json') },
    router_key_file: file('router.key'),
    jwks: null,
    poll_seconds: pollMs / 1000,
    parent_bound: true,
  }
  await writeFile(file(`${name}.json`), JSON.stringify(config))
  const main = fileURLToPath(import.meta.resolve('@cellplane/router/main'))
  const child = spawn(process.execPath, [main, '--config', file(`${name}.json`)])
  children.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const line = await fixture.waitFor(`${name} to listen`, () => {
    if (child.exitCode !== null) throw new Error(`${name} ended: ${output}`)
    return /\{.*"router listening".*\}/.exec(output)?.[0]
  })
  const adminPort: number = JSON.parse(line as string).admin_port
  await fixture.waitFor(
    `${name} to be ready`,
    async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok,
  )
  return { child, adminPort }
}

async function startConsumers(url: string, pollMs: number, subscribers: number, adminPort: number) {
  const child = fork(fileURLToPath(import.meta.resolve('@cellplane/testing/topology-consumers')))
  children.push(child)
  const start: ConsumersStart = {
    kind: 'start',
    url,
    token: fixture.token('router'),
    fleet: 'test',
    trustedKeys: await trustedKeys(fixture),
    pollMs,
    subscribers,
    adminPorts: [adminPort],
    tenant: TENANT,
    quarantineCell: 'quarantine',
  }
  await ask(child, start)
  return child
}

async function lookAt(consumers: ChildProcess[], isQuarantined: boolean) {
  const wish: ConsumersLook = { kind: 'look', isQuarantined, timeoutMs: TIMEOUT_MS }
  return Promise.all(
    consumers.map(async (child) => {
      const said = await ask(child, wish)
      if (said.kind !== 'seen') throw new Error(`expected what was seen, found ${JSON.stringify(said)}`)
      return said
    }),
  )
}

/** One question at a time. */
function ask(child: ChildProcess, question: ConsumersStart | ConsumersLook): Promise<ConsumersSaid> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`a process of subscribers ended with ${code}`)))
    child.once('message', (said: ConsumersSaid) => {
      child.removeAllListeners('exit')
      if (said.kind === 'failed') reject(new Error(said.why))
      else resolve(said)
    })
    child.send(question)
  })
}

async function trustedKeys({ file }: ControlFixture): Promise<unknown> {
  const key = privateKeyFromPem(await readFile(file('topology.key.pem'), 'utf8'))
  return { keys: [{ ...createPublicKey(key).export({ format: 'jwk' }), kid: keyIdOf(key) }] }
}

/** Passes everything on but the streams of events. */
async function startProxyWithoutStreams(target: string): Promise<{ url: string; stop(): void }> {
  const server: Server = createServer((asked, answered) => {
    if (asked.url === TOPOLOGY_EVENTS_PATH) return void answered.writeHead(503).end()
    const passedOn = request(
      new URL(asked.url!, target),
      { method: asked.method!, headers: asked.headers },
      (answer) => {
        answered.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(answered)
      },
    )
    passedOn.on('error', () => answered.destroy())
    asked.pipe(passedOn)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function figures(found: number[]): Figures {
  const sorted = found.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN)
  return { samples: sorted.length, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) }
}
