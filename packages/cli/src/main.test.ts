import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type CellState, type CellView, problemDetails } from '@cellplane/contract'
import type { Command } from 'commander'
import { examplesOf } from './command.ts'
import { createProgram } from './program.ts'
import { fleetText, makeFolder } from './testing.ts'

const CLI = fileURLToPath(new URL('../bin/cellplane.js', import.meta.url))

/** Compiled once for all runs of this file. */
const COMPILED = mkdtempSync(join(tmpdir(), 'cellplane-compiled-'))
after(() => rmSync(COMPILED, { recursive: true, force: true }))
const ENV = { PATH: process.env['PATH'], XDG_STATE_HOME: '/nowhere', NODE_COMPILE_CACHE: COMPILED }

type Ended = { status: number | null; stdout: string; stderr: string }

/** Runs the real program, as a shell does. */
async function cellplane(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; node?: string } = {},
): Promise<Ended> {
  const child = spawn(options.node ?? process.execPath, [CLI, ...args], {
    cwd: options.cwd ?? '/',
    env: { ...ENV, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, stdout, stderr }
}

function leaves(command: Command, path: string[] = []): { command: Command; path: string[] }[] {
  if (command.commands.length === 0) return [{ command, path }]
  return command.commands.flatMap((child) => leaves(child, [...path, child.name()]))
}

/** What the shells ask, and `help`, which is what --help prints. */
const isHidden = ([name]: string[]) => name!.startsWith('_') || name === 'help'

/** A line of an example as a shell splits it; enough for quotes and $(…). */
function splitLine(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3]!)
}

test('every command has examples, and the program understands each of them', async () => {
  const program = createProgram('0.0.0')
  const visible = leaves(program).filter(({ path }) => !isHidden(path))
  for (const { command } of visible) command.action(() => {})
  for (const { command, path } of visible) {
    const examples = examplesOf(command)
    assert.ok(examples.length > 0, `${path.join(' ')} has no example`)
    for (const [line, what] of examples) {
      assert.ok(what.length > 0)
      const call = /cellplane ([^>|)"]*(?:"[^"]*"[^>|)"]*)*)/.exec(line)?.[1]
      assert.ok(call, line)
      await program.parseAsync(splitLine(call), { from: 'user' })
    }
  }
})

test('every command takes --json', () => {
  const wrong = leaves(createProgram('0.0.0'))
    .filter(({ path, command }) => !isHidden(path) && !command.options.some(({ long }) => long === '--json'))
    .map(({ path }) => path.join(' '))
  assert.deepEqual(wrong, [])
})

test('a wrong command line is named, with the help to look at', async () => {
  for (const [line, message] of [
    ['nonsense', /^unknown command 'nonsense'; see `cellplane --help`$/],
    ['cell drain', /^missing required argument 'cell'; see `cellplane cell drain --help`$/],
    ['cell retire a b', /too many arguments/],
    ['help nonsense', /^unknown command 'nonsense'; see `cellplane --help`$/],
    ['help cell nonsense', /^unknown command 'nonsense'; see `cellplane cell --help`$/],
    ['status --colour', /^unknown option '--colour'; see `cellplane status --help`$/],
    ['up --cells many', /'many' is invalid. Expected a whole number from 1 to 1000; see/],
    ['up --cells 0', /'0' is invalid/],
    ['up --router-port 70000', /from 1 to 65535/],
    ['cell add --weight 101', /Expected a number from 0 to 100/],
    ['token acme --expires soon', /Expected a duration such as 90s/],
    ['completion tcsh', /Allowed choices are bash, zsh, fish/],
    ['topology show --overlay --revision 3', /cannot be used with/],
  ] as const) {
    await assert.rejects(
      createProgram('0.0.0').parseAsync(line.split(' '), { from: 'user' }),
      { message },
      line,
    )
  }
})

test('help goes to stdout with examples; a wrong command line goes to stderr, with status 2 and no stack', async () => {
  const help = await cellplane(['cell', 'drain', '--help'])
  assert.equal(help.status, 0)
  assert.match(help.stdout, /Examples:\n {2}# empty cell-003/)
  const wrong = await cellplane(['cell', 'drain'])
  assert.deepEqual([wrong.status, wrong.stdout], [2, ''])
  assert.match(wrong.stderr, /^error: missing required argument 'cell'; see `cellplane cell drain --help`\n$/)
  const nameless = await cellplane(['token'])
  assert.equal(nameless.status, 2)
  assert.match(nameless.stderr, /^error: name a tenant/)
})

test('a failure is one message on stderr with status 1, as JSON when JSON was asked for', async () => {
  const text = await cellplane(['status'])
  assert.deepEqual([text.status, text.stdout], [1, ''])
  assert.match(text.stderr, /^error: found no cellplane.yaml in \/ or above/)
  const json = await cellplane(['status', '--json'])
  assert.equal(json.status, 1)
  assert.equal(JSON.parse(json.stderr).error.code, 'FLEET_UNKNOWN')
  const gone = await cellplane(['cell', 'list', '--url', 'http://127.0.0.1:1'], {
    env: { CELLPLANE_TOKEN: 'x' },
  })
  assert.equal(gone.status, 1)
  assert.match(gone.stderr, /127\.0\.0\.1:1 cannot be reached/)
})

test('a bad fleet file is refused with every problem and its path', async (t) => {
  const folder = await makeFolder(t)
  for (const [command, text, ...messages] of [
    ['plan', 'format: 1\n  fleet: [', /line 2/],
    ['up', fleetText('cells: { count: 1 }\nquaratine: {}'), /quaratine: unknown field/],
    ['up', fleetText('cells: { count: 1 }'), /placement.shard_size: a shard of 2 does not fit into 1 cells/],
    [
      'plan',
      fleetText('cells: { list: [{ id: a }, { id: a }, { id: b, weight: 90 }] }'),
      /"a" is also cells.list\[0\]/,
      /cells.list\[2\].weight/,
    ],
    ['plan', fleetText('', '{ from: session, name: user }'), /needs a look-up/],
  ] as const) {
    await writeFile(join(folder, 'cellplane.yaml'), text)
    const { status, stderr } = await cellplane([command], { cwd: folder })
    assert.equal(status, 1)
    for (const message of messages) assert.match(stderr, message)
  }
  assert.ok(!existsSync(join(folder, '.cellplane')), 'a refused fleet left state behind')
})

test('init writes a file that plan accepts, names it after the folder, and overwrites nothing', async (t) => {
  const folder = join(await makeFolder(t), 'My Shop')
  await mkdir(folder)
  const init = await cellplane(['init', '--run', 'python3 -u "my app.py"', '--json'], { cwd: folder })
  assert.equal(init.status, 0, init.stderr)
  assert.deepEqual(JSON.parse(init.stdout), { file: join(folder, 'cellplane.yaml'), fleet: 'my-shop' })
  const plan = await cellplane(['plan', '--json', '--cells', '6'], { cwd: folder })
  assert.equal(plan.status, 0, plan.stderr)
  assert.equal(JSON.parse(plan.stdout).cells.length, 6)
  const before = await readFile(join(folder, 'cellplane.yaml'), 'utf8')
  const again = await cellplane(['init'], { cwd: folder })
  assert.equal(again.status, 1)
  assert.match(again.stderr, /exists already; --force overwrites it/)
  assert.equal(await readFile(join(folder, 'cellplane.yaml'), 'utf8'), before)
  assert.equal((await cellplane(['init', '--force', '--name', 'Not A Name'], { cwd: folder })).status, 1)
  assert.equal(await readFile(join(folder, 'cellplane.yaml'), 'utf8'), before)
})

test('plan exits 1 when the key has errors, and says them', async (t) => {
  const folder = await makeFolder(t)
  await writeFile(join(folder, 'cellplane.yaml'), fleetText())
  await writeFile(join(folder, 'keys.txt'), 'eu\nus\n'.repeat(200))
  const { status, stdout } = await cellplane(['plan', '--keys', 'keys.txt'], { cwd: folder })
  assert.equal(status, 1)
  assert.match(stdout, /error KEY_HAS_FEW_VALUES/)
})

const cellView = (id: string, state: CellState): CellView => ({
  ...{ id, slot: Number(/\d*$/.exec(id)![0]), role: 'serving', state, state_since: new Date().toISOString() },
  ...{ region: 'local', zone: 'a', stage: 'dev', provider: 'x', account: 'x', host: 'local', dns_names: [] },
  ...{
    capacity: {},
    weight: 1,
    release: 'dev',
    endpoint: null,
    stores: [],
    components: [],
    price_per_hour: null,
  },
  ...{ health: 'healthy', health_reason: '', holdings: null, problem: null },
})

async function startControl(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a refusal of the control plane is shown with its reason and the remedy; nothing of the token', async (t) => {
  const url = await startControl(t, (request, response) => {
    const body =
      request.headers.authorization === 'Bearer admin-secret'
        ? problemDetails('CELL_HOLDS_WORK', 'cell-003 holds 7 undelivered notifications; drain it first')
        : problemDetails('FORBIDDEN', 'the role reader may not retire cells')
    response.writeHead(body.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body))
  })
  const retire = (token: string) =>
    cellplane(['cell', 'retire', 'cell-003', '--url', url], { env: { CELLPLANE_TOKEN: token } })
  const held = await retire('admin-secret')
  assert.deepEqual([held.status, held.stdout], [1, ''])
  assert.match(held.stderr, /^error: cell-003 holds 7 undelivered notifications; drain it first\n$/)
  const forbidden = await retire('reader-secret')
  assert.match(forbidden.stderr, /may not retire cells; this needs the admin token/)
  assert.ok(!forbidden.stderr.includes('reader-secret'))
})

test('a reader that has seen enough closes the pipe without an error', async (t) => {
  const cells = Array.from({ length: 3000 }, (_, i) => cellView(`cell-${i}`, 'active'))
  const url = await startControl(t, (_, response) => response.end(JSON.stringify({ cells })))
  const env = { ...ENV, CELLPLANE_TOKEN: 'x' }
  const line = `"${process.execPath}" "${CLI}" cell list --url ${url} --json | head -n 1`
  const child = spawn('/bin/bash', ['-o', 'pipefail', '-c', line], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (data) => {
    stdout += data
  })
  child.stderr.on('data', (data) => {
    stderr += data
  })
  const status = await new Promise((resolve) => child.once('close', resolve))
  assert.deepEqual([status, stdout, stderr], [0, '{\n', ''])
})

test('several cells are drained one after the other, and a refusal leaves no doubt about those before it', async (t) => {
  const url = await startControl(t, (request, response) => {
    const id = /cells\/([^/]+)\/(un)?drain/.exec(request.url ?? '')?.[1]
    if (id !== 'cell-002') return response.end(JSON.stringify(cellView(id ?? '', 'draining')))
    const body = problemDetails('CONFLICT', 'cell "cell-002" is the cell of 3 tenants by name')
    return response
      .writeHead(body.status, { 'content-type': 'application/problem+json' })
      .end(JSON.stringify(body))
  })
  const run = (...args: string[]) =>
    cellplane(['cell', ...args, '--url', url], { env: { CELLPLANE_TOKEN: 'x' } })
  const done = await run('drain', 'cell-001', 'cell-003')
  assert.deepEqual([done.status, done.stdout.split('\n').length], [0, 3], done.stderr)
  const refused = await run('drain', 'cell-001', 'cell-002', 'cell-003', '--json')
  assert.equal(refused.status, 1)
  assert.deepEqual(
    JSON.parse(refused.stdout).cells.map((cell: { id: string }) => cell.id),
    ['cell-001'],
  )
  const one = await run('undrain', 'cell-001', '--json')
  assert.equal(JSON.parse(one.stdout).id, 'cell-001')
  assert.match((await run('undrain', 'a', 'a')).stderr, /cell "a" is named twice/)
})

test('a list without tenants says when those that were served show', async (t) => {
  const url = await startControl(t, (_, response) =>
    response.end(JSON.stringify({ tenants: [], next: null })),
  )
  const { stdout } = await cellplane(['tenant', 'list', '--url', url], { env: { CELLPLANE_TOKEN: 'x' } })
  assert.match(stdout, /^no tenant is registered or pinned, .* within about six seconds/)
})

test('help of a command is its help; of an unknown one an error', async () => {
  const known = await cellplane(['help', 'cell', 'drain'])
  assert.equal(known.status, 0)
  assert.match(known.stdout, /Place nothing new on a cell/)
  const unknown = await cellplane(['help', 'nonsense'])
  assert.equal(unknown.status, 2)
  assert.match(unknown.stderr, /^error: unknown command 'nonsense'/)
})

test('bash completes the line by the script that `completion` prints', async () => {
  // As with npx: no `cellplane` in the PATH.
  const script = `eval "$("${process.execPath}" "${CLI}" completion bash)"
    for line in "cell dr" "up --cells" "logs --fo" "nonsense x"; do
      COMP_WORDS=(cellplane $line); COMP_CWORD=2; COMPREPLY=(); _cellplane; echo "\${COMPREPLY[*]}"
    done`
  const child = spawn('/bin/bash', ['-c', script], { env: ENV, stdio: ['ignore', 'pipe', 'inherit'] })
  let stdout = ''
  child.stdout.on('data', (data) => {
    stdout += data
  })
  await new Promise((resolve) => child.once('close', resolve))
  assert.deepEqual(stdout.split('\n'), ['drain', '--cells', '--follow', '', ''])
})

test('an older Node hands over to the workspace’s own', async (t) => {
  const old = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => existsSync(path))
  const version = old && (await versionOf(old))
  if (!old || !version || version >= 24) {
    return t.skip('no Node older than 24 is installed beside the workspace’s own')
  }
  const { status, stdout } = await cellplane(['--version'], { node: old })
  assert.equal(status, 0)
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  assert.equal((await cellplane(['nonsense'], { node: old })).status, 2)
})

async function versionOf(node: string): Promise<number> {
  const child = spawn(node, ['-p', 'process.versions.node'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [text] = await Promise.all([
    new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data)))),
  ])
  return Number.parseInt(text, 10)
}
