/**
 * Real fleets of a service that is not JavaScript and knows nothing of cellplane: made with `init`, run with `up`, and
 * ended in every way in which a fleet ends.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePortRange, isAlive, processesMentioning, signalAll, waitFor } from '@cellplane/testing'

const CLI = fileURLToPath(new URL('../../bin/cellplane.js', import.meta.url))
/** Two cores that others use as well. */
const START_MAX_MS = 120_000
const STOP_MAX_MS = 90_000

/** Answers every GET with its cell's name; the standard library of a language that every Debian has. */
const SERVICES = [
  {
    program: '/usr/bin/python3',
    file: 'app.py',
    text: `import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (os.environ["CELLPLANE_CELL"] + " " + os.environ["DATABASE_URL"].split(":")[0]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
`,
  },
  {
    program: '/usr/bin/perl',
    file: 'app.pl',
    text: `use IO::Socket::INET;
$server = IO::Socket::INET->new(LocalAddr => $ENV{HOST}, LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die;
while ($client = $server->accept) {
  while (<$client>) { last if /^\\r?$/ }
  $body = "$ENV{CELLPLANE_CELL} " . (split /:/, $ENV{DATABASE_URL})[0];
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: " . length($body) . "\\r\\nConnection: close\\r\\n\\r\\n$body";
  close $client;
}
`,
  },
]
const service = SERVICES.find(({ program }) => existsSync(program))
const skip = service ? false : 'neither /usr/bin/python3 nor /usr/bin/perl is installed'

/** What callers send and nobody is to write down. */
const PLANTED = { authorization: 'Bearer planted-bearer-5f1c', cookie: 'session=planted-cookie-9a2e' }
/** What the fleet file names a file of, and what nobody is to write into a URL. */
const PROMETHEUS_TOKEN = 'planted-prometheus-71d0'
const WEBHOOK_TOKEN = 'planted-webhook-33ab'
const URL_PASSWORD = 'planted-password-c04e'

type Ended = { status: number | null; output: string }

type Project = Awaited<ReturnType<typeof makeProject>>

/** A folder with the service and the fleet file that `init` writes, and free ports. */
async function makeProject(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'cellplane-up-'))
  // As root, the cells' users must be able to enter.
  await chmod(folder, 0o755)
  const env = { ...process.env, XDG_STATE_HOME: join(folder, 'xdg') }
  const first = await freePortRange(70)
  const ports = { control: first, router: first + 2, admin: first + 3, local: first + 8, cells: first + 10 }
  const flags = [
    ...['--control-port', ports.control, '--router-port', ports.router, '--router-admin-port', ports.admin],
    ...['--local-port', ports.local, '--cell-port-base', ports.cells, '--cells', 2],
  ].map(String)
  const runIn = (cwd: string, args: readonly string[]): Promise<Ended> =>
    collect(spawn(process.execPath, [CLI, ...args], { cwd, env }))
  const run = (...args: string[]) => runIn(folder, args)
  t.after(async () => {
    await run('down', '--force')
    signalAll(processesMentioning(folder), 'SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  await mkdir(join(folder, 'xdg'))
  await writeFile(join(folder, service!.file), service!.text)
  const init = await run('init', '--name', 'shop', '--run', `${service!.program} ${service!.file}`)
  assert.equal(init.status, 0, init.output)
  const stateDir = join(folder, '.cellplane', 'shop')
  return {
    folder,
    ports,
    flags,
    run,
    /** From a folder without a fleet file: found by the list of running fleets. */
    elsewhere: (...args: string[]) => runIn('/', args),
    stateDir,
    recordedPid: (name: string) =>
      Number(JSON.parse(readFileSync(join(stateDir, 'run', `${name}.json`), 'utf8')).pid),
    /** Which cell answers a tenant, through the routers. */
    async ask(tenant: string): Promise<string> {
      const response = await fetch(`http://127.0.0.1:${ports.router}/`, {
        headers: { 'x-tenant': tenant, ...PLANTED },
      })
      const body = await response.text()
      assert.equal(response.status, 200, body)
      return body
    },
    /** Starts `up` in the foreground and resolves when it says that the fleet serves. */
    async up() {
      const child = spawn(process.execPath, [CLI, 'up', ...flags], {
        cwd: folder,
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let output = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text
        })
      }
      const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
      await waitFor('the fleet to serve', START_MAX_MS, () => {
        if (child.exitCode !== null) throw new Error(`up ended:\n${output}`)
        return output.includes('Try it')
      }).catch((cause) => {
        throw new Error(`the fleet does not serve:\n${output}`, { cause })
      })
      return { child, ended, output: () => output }
    },
  }
}

async function collect(child: ReturnType<typeof spawn>): Promise<Ended> {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, output }
}

/** Which of the fleet's keys, or of what callers sent in confidence, stand in a log of any of its processes. */
async function leakedSecrets({ stateDir }: Project): Promise<string[]> {
  const texts = async (isWanted: (path: string) => boolean) => {
    const names = await readdir(stateDir, { recursive: true })
    return await Promise.all(names.filter(isWanted).map((name) => readFile(join(stateDir, name), 'utf8')))
  }
  const logs = (await texts((path) => path.endsWith('.log'))).join('\n')
  // A search that finds nothing at all would prove nothing.
  assert.match(logs, /control plane listens/)
  assert.match(logs, /ready to accept connections/)
  const kept = await texts((path) => /^keys\/(?!.*jwks)|\.secret$/.test(path))
  const lines = kept.flatMap((text) => text.split('\n')).filter((line) => !/^$|-----/.test(line))
  assert.ok(lines.length >= 8, `${lines.length} secrets to look for`)
  const planted = [
    'planted-bearer-5f1c',
    'planted-cookie-9a2e',
    PROMETHEUS_TOKEN,
    WEBHOOK_TOKEN,
    URL_PASSWORD,
  ]
  return [...lines, ...planted].filter((secret) => logs.includes(secret))
}

/**
 * Has the fleet ask a Prometheus and tell a webhook, with a token each. Both are there, and of no use: the one knows nothing
 * but that cell-001 fails, and the other takes nothing. Returns the tokens that came.
 */
async function plantReceivers(t: TestContext, { folder }: Project): Promise<Set<string | undefined>> {
  const tokens = new Set<string | undefined>()
  const server = createHttpServer((request, response) => {
    tokens.add(request.headers.authorization)
    const counted = (of: string) => ({ metric: { cell: 'cell-001', of }, value: [0, '1000'] })
    const data = { resultType: 'vector', result: [counted('all'), counted('bad')] }
    response.writeHead(request.url === '/api/v1/query' ? 200 : 500)
    response.end(JSON.stringify({ status: 'success', data }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await writeFile(join(folder, 'prometheus.token'), PROMETHEUS_TOKEN, { mode: 0o600 })
  await writeFile(join(folder, 'alerts.token'), WEBHOOK_TOKEN, { mode: 0o600 })
  await appendFile(
    join(folder, 'cellplane.yaml'),
    `
observability:
  metrics: prometheus
  prometheus: { url: "${url}", token_file: prometheus.token }
  alert_webhooks: [{ url: "${url}/alerts", token_file: alerts.token }]
`,
  )
  return tokens
}

/** Fails with what is left running after a while. */
async function assertNothingLeft({ folder }: Project): Promise<void> {
  await waitFor('every process to end', STOP_MAX_MS, () => processesMentioning(folder).length === 0)
}

test('a service in another language runs in cells with no code changed, and `down` leaves nothing', {
  skip,
}, async (t) => {
  const project = await makeProject(t)
  const up = await project.up()

  assert.match(await project.ask('acme'), /^cell-00[12] postgres$/)
  // One after the other: the service takes few connections at once, and turns away more on a busy machine.
  const cells = new Set<string>()
  for (let nth = 0; nth < 20; nth++) cells.add(await project.ask(`tenant-${nth}`))
  assert.equal(cells.size, 2, 'the tenants are spread over both cells')

  const command = /curl (-i .*)/.exec(up.output())?.[1]
  assert.ok(command, up.output())
  const pasted = await collect(spawn('/bin/sh', ['-c', `curl -sS ${command}`]))
  assert.match(pasted.output, /200 OK[\s\S]*cell-00[12] postgres/i)

  const second = await project.run('up', ...project.flags)
  assert.equal(second.status, 1)
  assert.match(second.output, new RegExp(`runs on this state directory already \\(pid ${up.child.pid}\\)`))

  const status = await project.run('status')
  assert.match(status.output, /cell-001 +local +active +healthy/)
  assert.ok(status.output.split('\n').every((line) => line.length <= 160))
  assert.match(
    (await project.run('token', 'acme')).output,
    /uses no tokens: its partition key comes from the header x-tenant/,
  )
  assert.match((await project.run('topology', 'verify')).output, /is genuine/)
  assert.match(
    (await project.run('logs', '--component', 'postgres', '-n', '5')).output,
    /ready to accept connections/,
  )

  const signedBy = async () =>
    JSON.parse((await project.run('topology', 'show', '--json')).output).signature.key_id
  const former = await signedBy()
  const rotated = await project.run('keys', 'rotate')
  assert.equal(rotated.status, 0, rotated.output)
  assert.notEqual(await signedBy(), former)
  assert.match((await project.run('topology', 'verify')).output, /is genuine/)
  assert.match(await project.ask('acme'), /^cell-00[12] postgres$/)

  const router = project.recordedPid('router-1')
  process.kill(router, 'SIGKILL')
  await waitFor('the router to be started again', START_MAX_MS, () => {
    const pid = project.recordedPid('router-1')
    return pid !== router && pid
  })

  const down = await project.elsewhere('down')
  assert.match(down.output, /stopped the fleet in/)
  assert.equal(await up.ended, 0)
  assert.deepEqual(processesMentioning(project.folder), [])
  assert.match(up.output(), /stopped\n$/)
  assert.ok(!existsSync(join(project.stateDir, 'run', 'up.json')))
  assert.match((await project.run('status')).output, /is not running; start it with `cellplane up`/)
  assert.deepEqual(await leakedSecrets(project), [], 'no log has a secret')
})

test('an `up` that is killed takes everything with it; the next one finds its data, detached this time', {
  skip,
}, async (t) => {
  const project = await makeProject(t)
  const tokens = await plantReceivers(t, project)
  const first = await project.up()
  const before = (await project.run('topology', 'show', '--json')).output
  first.child.kill('SIGKILL')
  await assertNothingLeft(project)

  const second = await project.run('up', '--detach', ...project.flags)
  assert.equal(second.status, 0, second.output)
  assert.match(second.output, /Stop it with `(npx )?cellplane down`/)
  assert.equal((await project.run('topology', 'show', '--json')).output, before)
  assert.match(await project.ask('acme'), /^cell-00[12] postgres$/)
  assert.equal(JSON.parse((await project.elsewhere('status', '--json')).output).fleet, 'shop')
  const third = await project.run('up', '--detach', ...project.flags)
  assert.match(third.output, /runs already \(pid \d+\)/)
  await waitFor('both tokens to be used', START_MAX_MS, () => tokens.size >= 2)
  assert.deepEqual([...tokens].sort(), [`Bearer ${PROMETHEUS_TOKEN}`, `Bearer ${WEBHOOK_TOKEN}`])

  // The agent and `up` die together: cells have no one left who would end them.
  signalAll([project.recordedPid('up'), project.recordedPid('agent')], 'SIGKILL')
  await waitFor('the planes to end', STOP_MAX_MS, () => !isAlive(project.recordedPid('control')))
  assert.ok(processesMentioning(project.folder).length > 0)
  const down = await project.run('down')
  assert.match(down.output, /ended what was left running/)
  assert.deepEqual(processesMentioning(project.folder), [])
  assert.match((await project.run('down')).output, /nothing runs/)
  assert.deepEqual(await leakedSecrets(project), [], 'no log has a secret')
})

test('what cannot start says why, leaves nothing running, and does not fail the next start', {
  skip,
}, async (t) => {
  const project = await makeProject(t)
  const squatter = createServer()
  await new Promise<void>((resolve) => squatter.listen(project.ports.router, '127.0.0.1', resolve))
  const url = `https://ops:${URL_PASSWORD}@traces.example/v1/traces`
  const refused = await project.run('up', '--traces', url, ...project.flags)
  assert.equal(refused.status, 2, refused.output)
  assert.match(refused.output, /--traces is not as expected: an http or https URL without user and password/)
  assert.ok(!refused.output.includes(URL_PASSWORD), refused.output)
  const file = join(project.folder, 'cellplane.yaml')
  const asInitWroteIt = await readFile(file, 'utf8')
  await appendFile(file, `\nobservability: { traces: { otlp_url: "${url}" } }\n`)
  const declared = await project.run('up', ...project.flags)
  assert.match(declared.output, /otlp_url.*without user and password/)
  assert.ok(!declared.output.includes(URL_PASSWORD), declared.output)
  await writeFile(file, asInitWroteIt)
  const taken = await project.run('up', ...project.flags)
  assert.equal(taken.status, 1)
  assert.match(taken.output, new RegExp(`port ${project.ports.router}, for the routers, is taken`))
  await new Promise((resolve) => squatter.close(resolve))

  const issuerKey = join(project.stateDir, 'keys', 'topology.key.pem')
  await mkdir(join(project.stateDir, 'keys'), { recursive: true })
  await writeFile(issuerKey, 'damaged')
  const damaged = await project.run('up', ...project.flags)
  assert.match(damaged.output, /holds no Ed25519 private key/)
  await rm(issuerKey)

  // A Ctrl-C while it starts.
  const child = spawn(process.execPath, [CLI, 'up', ...project.flags], {
    cwd: project.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = collect(child)
  await waitFor('the control plane’s PostgreSQL to start', START_MAX_MS, () =>
    existsSync(join(project.stateDir, 'run', 'postgres.json')),
  )
  child.kill('SIGINT')
  assert.equal((await ended).status, 130)
  assert.deepEqual(processesMentioning(project.folder), [])
  assert.ok((await readFile(join(project.stateDir, 'config', 'fleet.json'), 'utf8')).includes('"shop"'))
})

test('a service that never starts does not keep `up --detach` waiting', { skip }, async (t) => {
  const project = await makeProject(t)
  const run = "/bin/sh -c 'echo no such table >&2; exit 3'"
  const init = await project.run('init', '--force', '--name', 'shop', '--run', run)
  assert.equal(init.status, 0, init.output)
  const detached = await project.run('up', '--detach', '--timeout', '15s', ...project.flags)
  assert.equal(detached.status, 1, detached.output)
  assert.match(detached.output, /15 s have passed \(--timeout\), and not all of the fleet serves/)
  assert.match(detached.output, /cell-001 is provisioning: .*component "app"/)
  assert.match(detached.output, /cell-001\/app printed last: no such table/)
  assert.equal((await project.run('down')).status, 0)
})
