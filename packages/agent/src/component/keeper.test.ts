import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cellplane/testing'
import { pino } from 'pino'
import { backoffMs, RESTART_BACKOFF } from '../backoff.ts'
import type { KeptProcess, ProcessEnd } from '../process/kept-process.ts'
import { Keeper, type KeeperOptions } from './keeper.ts'

const SOON_MS = 10_000

/** A process that ends when the test says so. */
function fakeProcess(pid: number) {
  const { promise: ended, resolve } = Promise.withResolvers<ProcessEnd>()
  const kept: KeptProcess = {
    pid,
    ended,
    stop: async () => resolve({ isSuccess: true, how: 'exited with code 0' }),
  }
  return { kept, end: (how: string) => resolve({ isSuccess: false, how }) }
}

/** Keeps fake processes; the n-th has pid n. */
function keep(options: Partial<KeeperOptions> = {}) {
  const launched: ReturnType<typeof fakeProcess>[] = []
  const keeper = new Keeper({
    name: 'api',
    log: pino({ level: 'silent' }),
    adopt: async () => undefined,
    launch: async () => {
      launched.push(fakeProcess(launched.length + 1))
      return launched.at(-1)!.kept
    },
    check: async () => undefined,
    checkEveryMs: 5,
    isExcused: () => false,
    onChange: () => {},
    ...options,
    timing: {
      backoff: { firstMs: 1, maxMs: 4 },
      startingCheckEveryMs: 5,
      startMaxMs: 60,
      unhealthyMaxMs: 60,
      ...options.timing,
    },
  })
  return { keeper, launched }
}

const until = (keeper: Keeper, what: Partial<Keeper['status']>) =>
  waitFor(JSON.stringify(what), SOON_MS, () =>
    (Object.entries(what) as [keyof Keeper['status'], unknown][]).every(
      ([key, value]) => keeper.status[key] === value,
    ),
  )

test('the backoff doubles from 100 ms to 5 s', () => {
  assert.deepEqual(
    [1, 2, 3, 7, 100].map((failures) => backoffMs(failures, RESTART_BACKOFF)),
    [100, 200, 400, 5000, 5000],
  )
})

test('a process that ends is restarted, and its last end stays readable', async () => {
  const { keeper, launched } = keep()
  await until(keeper, { phase: 'running', pid: 1 })
  launched[0]!.end('exited with code 7')
  await until(keeper, { phase: 'running', pid: 2, restarts: 1, last_error: 'exited with code 7' })
  await keeper.stop()
  assert.deepEqual([keeper.status.phase, keeper.status.pid], ['stopped', null])
})

test('a process that runs already is adopted, not launched', async () => {
  const { keeper, launched } = keep({ adopt: async () => fakeProcess(99).kept })
  await until(keeper, { phase: 'running', pid: 99, restarts: 0 })
  await keeper.stop()
  assert.equal(launched.length, 0)
})

test('a start that cannot be is `failed` with its reason, and is tried until it can', async () => {
  let isTaken = true
  const { keeper } = keep({
    launch: async () => {
      if (isTaken) throw new Error('port 1 is taken')
      return fakeProcess(1).kept
    },
  })
  await until(keeper, { phase: 'failed', last_error: 'port 1 is taken', pid: null })
  isTaken = false
  await until(keeper, { phase: 'running', restarts: 0 })
  await keeper.stop()
})

test('one that is not healthy for too long is restarted, before its first healthy answer and after', async () => {
  for (const healthyAnswers of [0, 1]) {
    let answers = 0
    const { keeper } = keep({ check: async () => (answers++ < healthyAnswers ? undefined : 'answers 503') })
    await waitFor('a restart', SOON_MS, () => keeper.status.restarts > 0)
    assert.match(keeper.status.last_error ?? '', /503/)
    await keeper.stop()
  }
})

test('one whose database is down is not restarted for being unhealthy', async () => {
  let isDown = true
  const { keeper } = keep({
    check: async () => 'answers 503',
    isExcused: () => isDown,
    timing: { startMaxMs: 1 },
  })
  let looks = 0
  await waitFor(
    'a while of illness',
    SOON_MS,
    () => keeper.status.last_error === 'answers 503' && ++looks > 5,
  )
  assert.equal(keeper.status.restarts, 0)
  isDown = false
  await waitFor('a restart', SOON_MS, () => keeper.status.restarts > 0)
  await keeper.stop()
})

test('a check that throws counts as not healthy', async () => {
  const { keeper } = keep({ check: () => Promise.reject(new Error('EMFILE')) })
  await until(keeper, { phase: 'starting', last_error: 'the health check failed: EMFILE' })
  await keeper.stop()
})

test('a stop ends a launch that waits', async () => {
  const { keeper } = keep({
    launch: (signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
  })
  await until(keeper, { phase: 'waiting' })
  await keeper.stop()
  assert.equal(keeper.status.phase, 'stopped')
})
