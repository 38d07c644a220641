import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { identify } from '@cellplane/host'
import { fleetText, makeFolder } from '../testing.ts'
import { findFleetFile, readFleetFile } from './fleet-file.ts'
import { connect, requireAnyFleetFile } from './locate.ts'
import { forgetRunning, listRunning, rememberRunning, runningFolder } from './running.ts'
import { prepareStateDir, stateDirFor } from './state-dir.ts'
import { stateLayout } from './state-layout.ts'
import { readUpRecord, type UpRecord, writeUpRecord } from './up-record.ts'

const modeOf = async (path: string) => (await stat(path)).mode & 0o777

function recordFor(stateDir: string, more: Partial<UpRecord> = {}): UpRecord {
  const own = identify(process.pid)!
  return {
    ...{ pid: own.pid, process_started_at: own.startedAt, phase: 'serving', fleet: 'shop' },
    ...{ fleet_file: '/x/cellplane.yaml', state_dir: stateDir, since: new Date().toISOString() },
    urls: { router: 'http://r', control: 'http://127.0.0.1:1', openapi: '', routers: {}, local: {} },
    ...more,
  }
}

test('the fleet file is the one named, the one in the folder named, or the nearest above', async (t) => {
  const folder = await makeFolder(t)
  const file = join(folder, 'cellplane.yaml')
  await writeFile(file, fleetText())
  await mkdir(join(folder, 'a', 'b'), { recursive: true })
  assert.equal(await findFleetFile(undefined, join(folder, 'a', 'b')), file)
  assert.equal(await findFleetFile('..', join(folder, 'a')), file)
  assert.equal(await findFleetFile('cellplane.yaml', folder), file)
  assert.equal(await findFleetFile(undefined, dirname(folder)), undefined)
  await assert.rejects(findFleetFile('a', folder), {
    code: 'FLEET_FILE_MISSING',
    message: /has no cellplane.yaml/,
  })
  await assert.rejects(findFleetFile('nope.yaml', folder), { code: 'FLEET_FILE_MISSING' })
})

test('a fleet file with several faults is refused with all of them', async (t) => {
  const file = join(await makeFolder(t), 'cellplane.yaml')
  await writeFile(file, fleetText('cells: { count: 1, wieght: 3 }\nplacement: { shard_size: "two" }'))
  await assert.rejects(readFleetFile(file), (error: { code: string; problems: { path: string }[] }) => {
    assert.equal(error.code, 'FLEET_FILE_INVALID')
    assert.deepEqual(error.problems.map(({ path }) => path).sort(), ['cells.wieght', 'placement.shard_size'])
    return true
  })
})

test('state lies beside the fleet file; for root it moves away from under a closed folder', async (t) => {
  const folder = await makeFolder(t)
  const fleetFile = join(folder, 'cellplane.yaml')
  const where = (asRoot: boolean, flag?: string) => stateDirFor({ flag, fleetFile, fleet: 'shop' }, asRoot)
  await chmod(folder, 0o700)
  assert.equal(await where(false), join(folder, '.cellplane', 'shop'))
  assert.match(await where(true), /^\/var\/lib\/cellplane\/shop-[0-9a-f]{8}$/)
  assert.equal(await where(true, '/srv/state'), '/srv/state')
  await chmod(folder, 0o755)
  assert.equal(await where(true), join(folder, '.cellplane', 'shop'))
})

test('secrets are closed, and for root the way to the cells is open, whatever the umask', async (t) => {
  const folder = await makeFolder(t)
  await chmod(folder, 0o755)
  const stateDir = join(folder, '.cellplane', 'shop')
  const before = process.umask(0o077)
  t.after(() => process.umask(before))
  await prepareStateDir(stateDir, true)
  const layout = stateLayout(stateDir)
  for (const path of [join(folder, '.cellplane'), stateDir, layout.control, layout.host, layout.cells]) {
    assert.equal(await modeOf(path), 0o711, path)
  }
  for (const path of [layout.keys, layout.config, layout.run, layout.logs])
    assert.equal(await modeOf(path), 0o700, path)
  await prepareStateDir(stateDir, false)
  assert.equal(await modeOf(stateDir), 0o700)
})

test('a state directory that the cells’ users cannot reach, or that is somebody else’s folder, is refused', async (t) => {
  const folder = await makeFolder(t)
  await chmod(folder, 0o700)
  await assert.rejects(prepareStateDir(join(folder, 'state'), true), {
    code: 'STATE_CLOSED',
    message: /chmod o\+x/,
  })
  await writeFile(join(folder, 'letters.txt'), 'dear')
  await assert.rejects(prepareStateDir(folder, true), { code: 'STATE_FOREIGN' })
  assert.equal(await modeOf(folder), 0o700)
  await assert.rejects(prepareStateDir(join(folder, 'letters.txt', 'state'), false), {
    code: 'STATE_UNWRITABLE',
  })
})

test('a record counts while its process lives, and not when it is damaged', async (t) => {
  const stateDir = await makeFolder(t)
  await mkdir(stateLayout(stateDir).run)
  assert.equal(await readUpRecord(stateDir), undefined)
  await writeUpRecord(recordFor(stateDir))
  assert.equal((await readUpRecord(stateDir))?.pid, process.pid)
  await writeUpRecord(recordFor(stateDir, { process_started_at: 'another/1' }))
  assert.equal(await readUpRecord(stateDir), undefined)
  await writeFile(stateLayout(stateDir).up, '{"pid": 1')
  assert.equal(await readUpRecord(stateDir), undefined)
})

test('running fleets are listed while they live; a damaged list is an empty one', async (t) => {
  const home = await makeFolder(t)
  const list = join(home, 'running')
  const stateDir = join(home, 'state')
  await mkdir(stateLayout(stateDir).run, { recursive: true })
  await writeUpRecord(recordFor(stateDir))
  assert.deepEqual(await listRunning(list), [])
  await rememberRunning(stateDir, list)
  await rememberRunning(join(home, 'gone'), list)
  await writeFile(join(list, 'x.json'), 'nonsense')
  assert.deepEqual(
    (await listRunning(list)).map(({ state_dir }) => state_dir),
    [stateDir],
  )
  assert.equal(await modeOf(list), 0o700)
  for (const name of await readdir(list))
    if (name !== 'x.json') assert.equal(await modeOf(join(list, name)), 0o600)
  await forgetRunning(stateDir, list)
  assert.deepEqual(await listRunning(list), [])
})

test('without a home there is no list, and nothing fails', async (t) => {
  assert.equal(runningFolder({ XDG_STATE_HOME: '/x' }), '/x/cellplane/running')
  assert.equal(runningFolder({ HOME: '/home/a' }), '/home/a/.local/state/cellplane/running')
  assert.equal(
    runningFolder({ XDG_STATE_HOME: 'relative', HOME: '/home/a' }),
    '/home/a/.local/state/cellplane/running',
  )
  await rememberRunning('/state', undefined)
  const folder = await makeFolder(t)
  await writeFile(join(folder, 'file'), '')
  await rememberRunning('/state', join(folder, 'file', 'list'))
  await symlink('/nowhere', join(folder, 'broken'))
  assert.deepEqual(await listRunning(join(folder, 'broken')), [])
})

test('a fleet that does not run, and a control plane without a token, are said as such', async (t) => {
  const stateDir = await makeFolder(t)
  await assert.rejects(connect({ state: stateDir }, {}), { code: 'FLEET_NOT_RUNNING' })
  await assert.rejects(connect({ url: 'http://127.0.0.1:1' }, {}), { code: 'TOKEN_MISSING' })
  await assert.rejects(connect({ url: 'http://127.0.0.1:1', tokenFile: '/nowhere' }, {}), {
    code: 'TOKEN_UNREADABLE',
  })
  const remote = await connect({}, { CELLPLANE_URL: 'http://127.0.0.1:1', CELLPLANE_TOKEN: ' secret\n' })
  assert.deepEqual([remote.url, remote.token, remote.stateDir], ['http://127.0.0.1:1', 'secret', undefined])
  // What is said on the command line wins over the environment.
  await assert.rejects(
    connect({ state: stateDir }, { CELLPLANE_URL: 'http://127.0.0.1:1', CELLPLANE_TOKEN: 'x' }),
    {
      code: 'FLEET_NOT_RUNNING',
    },
  )
})

test('a token file that is no token is refused', async (t) => {
  const folder = await makeFolder(t)
  const tokenFile = join(folder, 'token')
  for (const text of ['', 'two\nlines', 'with space', 'bell\u0007']) {
    await writeFile(tokenFile, text)
    await assert.rejects(connect({ url: 'http://127.0.0.1:1', tokenFile }, {}), { code: 'TOKEN_UNREADABLE' })
  }
})

test('without a fleet file here, a command about the file takes that of the one fleet that runs', async (t) => {
  const folder = await makeFolder(t)
  const file = join(folder, 'cellplane.yaml')
  await writeFile(file, fleetText())
  const running = recordFor(join(folder, 'state'), { fleet_file: file })
  const here = process.cwd()
  process.chdir('/')
  try {
    assert.equal((await requireAnyFleetFile(undefined, async () => [running])).path, file)
    await assert.rejects(
      requireAnyFleetFile(undefined, async () => [running, running]),
      {
        code: 'FLEET_UNKNOWN',
        message: /you run 2 fleets: .*; say which with --fleet PATH/,
      },
    )
    await assert.rejects(
      requireAnyFleetFile(undefined, async () => []),
      { code: 'FLEET_FILE_MISSING' },
    )
  } finally {
    process.chdir(here)
  }
})
