import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { identify, isRunning } from '@cellplane/host'
import { waitFor } from '@cellplane/testing'
import { prepareStateDir } from '../fleet/state-dir.ts'
import { stateLayout } from '../fleet/state-layout.ts'
import { makeFolder } from '../testing.ts'
import { rotateLogs } from './bounded-logs.ts'
import { startChild } from './child-process.ts'
import { endPlanes } from './leftovers.ts'
import { catchStopSignals } from './stop-signals.ts'
import { type ProcessEnd, supervise } from './supervise.ts'

const PATIENCE_MS = 30_000

function shell(script: string, folder: string, stopTimeoutMs = 10_000) {
  return startChild({
    argv: ['/bin/sh', '-c', script],
    directory: folder,
    env: { PATH: process.env['PATH'] ?? '' },
    logFile: join(folder, 'out.log'),
    hasChannel: false,
    stopTimeoutMs,
  })
}

async function superviseShell(t: TestContext, script: string, folder: string) {
  const ends: ProcessEnd[] = []
  const supervised = supervise({
    name: 'x',
    launch: () => shell(script, folder),
    recordFile: join(folder, 'x.json'),
    onEnd: (end) => ends.push(end),
  })
  t.after(() => supervised.stop())
  return { ...supervised, ends }
}

test('what ends by itself is started again, and what runs is written down', async (t) => {
  const folder = await makeFolder(t)
  const supervised = await superviseShell(t, 'exec sleep 600', folder)
  const first = await waitFor('the first process', PATIENCE_MS, () => supervised.pid())
  await waitFor('its record', PATIENCE_MS, () => existsSync(join(folder, 'x.json')))
  assert.equal(JSON.parse(await readFile(join(folder, 'x.json'), 'utf8')).pid, first)
  process.kill(first, 'SIGKILL')
  const second = await waitFor('the second process', PATIENCE_MS, () => {
    const pid = supervised.pid()
    return pid !== first && pid
  })
  assert.match(supervised.ends[0]!.how, /was ended by SIGKILL; see .*out\.log/)
  await supervised.stop()
  assert.equal(identify(second), undefined)
  assert.ok(!existsSync(join(folder, 'x.json')))
})

test('what cannot run is tried at growing intervals, counted, and hopeless when its configuration is refused', async (t) => {
  const folder = await makeFolder(t)
  const supervised = await superviseShell(t, 'exit 2', folder)
  await waitFor('three ends', PATIENCE_MS, () => supervised.failures() >= 3)
  assert.deepEqual(supervised.lastEnd()?.isHopeless, true)
  const missing = supervise({
    name: 'y',
    launch: () => startChild({ ...base(folder), argv: ['/nowhere/program'] }),
    recordFile: join(folder, 'y.json'),
    onEnd: () => {},
  })
  await waitFor('an end', PATIENCE_MS, () => missing.failures() >= 1)
  assert.match(missing.lastEnd()!.how, /"\/nowhere\/program" cannot be started.*ENOENT/)
  await missing.stop()
})

const base = (folder: string) => ({
  directory: folder,
  env: {},
  logFile: join(folder, 'out.log'),
  hasChannel: false,
  stopTimeoutMs: 1000,
})

test('a stop ends the whole group, and kills what ignores it', async (t) => {
  const folder = await makeFolder(t)
  const child = await shell(`trap '' TERM; sleep 600 & echo $! > grandchild; wait; wait`, folder, 200)
  const grandchild = await waitFor('the grandchild', PATIENCE_MS, async () => {
    const pid = Number(await readFile(join(folder, 'grandchild'), 'utf8').catch(() => ''))
    return pid > 0 && pid
  })
  await child.stop()
  assert.equal(identify(child.pid), undefined)
  await waitFor('the grandchild to be gone', PATIENCE_MS, () => identify(grandchild) === undefined)
})

test('what a process started does not outlive its own end', async (t) => {
  const folder = await makeFolder(t)
  const child = await shell('sleep 600 & echo $!; exit 1', folder)
  await child.ended
  const grandchild = Number(await readFile(join(folder, 'out.log'), 'utf8'))
  assert.ok(grandchild > 0)
  await waitFor('the grandchild to be gone', PATIENCE_MS, () => identify(grandchild) === undefined)
})

test('a process in any language ends when we are killed, and is left alone when it ended in order', async (t) => {
  const folder = await makeFolder(t)
  const module = fileURLToPath(new URL('./dead-mans-switch.ts', import.meta.url))
  // A process of its own plays the `up` that is killed.
  const script = `
    import { spawn } from 'node:child_process'
    import { armDeadMansSwitch } from ${JSON.stringify(module)}
    const kept = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
    const spared = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
    armDeadMansSwitch(-kept.pid, 'TERM')
    armDeadMansSwitch(-spared.pid, 'TERM').disarm()
    console.log(JSON.stringify([kept.pid, spared.pid]))
    setInterval(() => {}, 1000)`
  await writeFile(join(folder, 'up.ts'), script)
  const up = spawn(process.execPath, [join(folder, 'up.ts')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await Promise.all([
    new Promise<string>((resolve) => up.stdout.once('data', (data) => resolve(String(data)))),
  ])
  const [kept, spared] = JSON.parse(line) as [number, number]
  up.kill('SIGKILL')
  await waitFor('the kept process to end', PATIENCE_MS, () => identify(kept) === undefined)
  assert.notEqual(identify(spared), undefined)
  process.kill(spared, 'SIGKILL')
})

test('what a killed `up` left running is ended by its record; a number that means another process is not', async (t) => {
  const stateDir = join(await makeFolder(t), 'state')
  await prepareStateDir(stateDir, false)
  const layout = stateLayout(stateDir)
  const left = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
  const stranger = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
  const identity = identify(left.pid!)!
  await writeFile(layout.recordOf('router-1'), JSON.stringify(identity))
  await writeFile(layout.recordOf('agent'), JSON.stringify({ pid: stranger.pid, startedAt: 'before/1' }))
  await writeFile(layout.recordOf('control'), '{"pid":')
  assert.equal(await endPlanes(layout), true)
  assert.equal(isRunning(identity), false)
  assert.notEqual(identify(stranger.pid!), undefined)
  stranger.kill('SIGKILL')
  assert.equal(await endPlanes(layout), false)
})

test('a log that grew too large is moved aside, and its writer goes on', async (t) => {
  const folder = await makeFolder(t)
  await writeFile(join(folder, 'a.log'), 'x'.repeat(100))
  await writeFile(join(folder, 'b.log'), 'y')
  await rotateLogs(folder, 50)
  assert.equal(await readFile(join(folder, 'a.log.1'), 'utf8'), 'x'.repeat(100))
  assert.equal(await readFile(join(folder, 'a.log'), 'utf8'), '')
  await promisify(execFile)('/bin/sh', ['-c', 'echo more >> a.log'], { cwd: folder })
  assert.equal(await readFile(join(folder, 'a.log'), 'utf8'), 'more\n')
  assert.equal(await readFile(join(folder, 'b.log'), 'utf8'), 'y')
})

test('two signals within a second are one; a later one forces', () => {
  let now = 0
  const signals = catchStopSignals(() => now)
  process.emit('SIGINT')
  assert.equal(signals.stopping.aborted, true)
  now = 900
  process.emit('SIGINT')
  assert.equal(signals.forcing.aborted, false)
  now = 1_100
  process.emit('SIGTERM')
  assert.equal(signals.forcing.aborted, true)
  signals.release()
  assert.equal(process.listenerCount('SIGINT'), 0)
})
