import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createAuthority, issue } from './testing/certificates.ts'
import { type Received, send } from './testing/client.ts'
import { startFakeFleet } from './testing/fake-fleet.ts'
import { freePort, runMain as run, type Spawned, spawnRouter } from './testing/router-process.ts'
import { until } from './testing/wait.ts'

const isReady = async ({ adminPort }: { adminPort: number }) =>
  (await send(adminPort, { path: '/readyz' })).status === 200

// Each has a fleet of its own; together they wait no longer than the longest.
describe('the router’s process', { concurrency: 3 }, () => {
  test('a wrong configuration is exit status 2 with every problem and its path', async () => {
    const fleet = await startFakeFleet({ isPublished: false })
    try {
      const file = join(fleet.folder, 'bad.json')
      const config = { ...fleet.configOf(), poll_seconds: 'often', surprise: 1, state_dir: 'relative' }
      await writeFile(file, JSON.stringify(config))
      const bad = run(['--config', file])
      assert.deepEqual(await once(bad.child, 'close'), [2, null])
      for (const path of ['poll_seconds', 'surprise', 'state_dir'])
        assert.match(bad.output(), new RegExp(`${path}: `))

      await writeFile(file, '{"router":')
      const wrong = [['--config', file], ['--config', join(fleet.folder, 'none.json')], [], ['--what']]
      await Promise.all(
        wrong.map(async (args) => {
          const { child, output } = run(args)
          assert.deepEqual(await once(child, 'close'), [2, null], args.join(' '))
          assert.notEqual(output(), '')
        }),
      )
    } finally {
      await fleet.stop()
    }
  })

  test('a taken port, or a file that is not there, is exit status 1 and names it', async () => {
    const fleet = await startFakeFleet({ isPublished: false })
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = taken.address() as AddressInfo
      const file = join(fleet.folder, 'router.json')
      const config = fleet.configOf({ admin: { host: '127.0.0.1', port } })
      await writeFile(file, JSON.stringify(config))
      const blocked = run(['--config', file])
      assert.deepEqual(await once(blocked.child, 'close'), [1, null])
      assert.match(blocked.output(), new RegExp(`port ${port} is taken`))

      await writeFile(file, JSON.stringify({ ...config, router_key_file: '/nowhere/router.key' }))
      const keyless = run(['--config', file])
      assert.deepEqual(await once(keyless.child, 'close'), [1, null])
      assert.match(keyless.output(), /\/nowhere\/router\.key/)
    } finally {
      taken.close()
      await fleet.stop()
    }
  })

  test('SIGHUP has the files of TLS read anew; one that cannot be used is exit status 1 at start, by file and field', async () => {
    const fleet = await startFakeFleet({ isPublished: false })
    const children: ChildProcess[] = []
    try {
      const [cert_file, key_file, strange_key] = ['a.crt', 'a.key', 'b.key'].map((name) =>
        join(fleet.folder, name),
      )
      const authority = createAuthority()
      const { certPem, keyPem } = issue(authority, { names: ['router.test'] })
      await writeFile(cert_file!, certPem)
      await writeFile(key_file!, keyPem)
      await writeFile(strange_key!, issue(authority, { names: ['router.test'] }).keyPem)
      const listen = { host: '127.0.0.1', port: 0, tls: { cert_file: cert_file!, key_file: key_file! } }
      const { child, output } = await spawnRouter(fleet, children, { router: 'router-1', listen })
      child.kill('SIGHUP')
      await until('the reload', () => output().includes('the certificates of listen.tls reloaded'))
      assert.equal(child.exitCode, null)

      const file = join(fleet.folder, 'mismatched.json')
      const tls = { ...listen.tls, key_file: strange_key! }
      await writeFile(file, JSON.stringify(fleet.configOf({ listen: { ...listen, tls } })))
      const mismatched = run(['--config', file])
      assert.deepEqual(await once(mismatched.child, 'close'), [1, null])
      assert.match(mismatched.output(), /listen\.tls\.key_file: .*b\.key is not the key of .*a\.crt/)
    } finally {
      for (const child of children) child.kill('SIGKILL')
      await fleet.stop()
    }
  })

  test('while it reads a large last good base it answers probes, is not ready, and stops when it is told to', async () => {
    const fleet = await startFakeFleet({ isPublished: false })
    const children: ChildProcess[] = []
    try {
      const adminPort = await freePort()
      const config = fleet.configOf({ admin: { host: '127.0.0.1', port: adminPort } })
      // Many seconds of reading, and more memory than it may take.
      await mkdir(config.state_dir, { recursive: true })
      await writeFile(join(config.state_dir, 'base.json'), `[${'{},'.repeat(10_000_000)}{}]`)
      const file = join(fleet.folder, 'router.json')
      await writeFile(file, JSON.stringify(config))
      const { child, output } = run(['--config', file])
      children.push(child)
      const closed = once(child, 'close')
      await until('the admin port', () => send(adminPort, { path: '/healthz' }).catch(() => null))
      const { status, text } = await send(adminPort, { path: '/readyz' })
      assert.equal(status, 503)
      assert.match(text, /is starting/)
      child.kill('SIGTERM')
      assert.deepEqual(await closed, [0, null], output())
      // Neither did it listen, nor was the base refused: it was told to stop before.
      assert.doesNotMatch(output(), /router listening|refused/)
    } finally {
      for (const child of children) child.kill('SIGKILL')
      await fleet.stop()
    }
  })

  test('two processes share one port; either can be killed and the other serves', async () => {
    const fleet = await startFakeFleet()
    const port = await freePort()
    const listen = { host: '127.0.0.1', port }
    const children: ChildProcess[] = []
    try {
      const first = await spawnRouter(fleet, children, { router: 'router-1', listen })
      const second = await spawnRouter(fleet, children, { router: 'router-2', listen })
      await until('both to be ready', async () => (await isReady(first)) && (await isReady(second)))
      const served = async ({ adminPort }: Spawned) =>
        Number(
          /^cellplane_router_received_total (\d+)$/m.exec(
            (await send(adminPort, { path: '/metrics' })).text,
          )![1],
        )
      await until('both to have served', async () => {
        assert.equal((await send(port)).status, 200)
        return (await served(first)) > 0 && (await served(second)) > 0
      })
      first.child.kill('SIGKILL')
      await once(first.child, 'exit')
      for (let i = 0; i < 20; i++) assert.equal((await send(port)).status, 200)
      assert.doesNotMatch(second.output(), /router-token-of|router-key-of/)
    } finally {
      for (const child of children) child.kill('SIGKILL')
      await fleet.stop()
    }
  })

  test('a stop drops no request: neither those under way nor those on kept connections', async () => {
    const fleet = await startFakeFleet()
    const children: ChildProcess[] = []
    const agents = Array.from({ length: 8 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
    try {
      const port = await freePort()
      const router = await spawnRouter(fleet, children, {
        router: 'router-1',
        listen: { host: '127.0.0.1', port },
      })
      await until('readiness', () => isReady(router))
      let answerSlow = () => {}
      fleet.cells[0]!.answer = (_seen, response) => {
        answerSlow = () => response.writeHead(200).end('late')
      }
      const slow = send(port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] })
      await until('the slow one to be under way', () => fleet.cells[0]!.arrivals === 1)

      // Clients that send one request after the other on a kept connection, until they are told to leave it.
      const tenant = fleet.tenantOn(2, 1)
      const statuses: number[] = []
      const clients = agents.map(async (agent) => {
        let answer: Received
        do {
          answer = await send(port, { headers: ['x-tenant', tenant], agent })
          statuses.push(answer.status)
        } while (answer.headers.connection !== 'close')
      })
      await until('them to be at it', () => statuses.length > 50)
      router.child.kill('SIGTERM')
      await Promise.all(clients)
      assert.deepEqual(new Set(statuses), new Set([200]))
      assert.equal(router.child.exitCode, null)
      answerSlow()
      assert.equal((await slow).text, 'late')
      if (router.child.exitCode === null) await once(router.child, 'exit')
      assert.equal(router.child.exitCode, 0)
    } finally {
      for (const agent of agents) agent.destroy()
      for (const child of children) child.kill('SIGKILL')
      await fleet.stop()
    }
  })

  test('a process that is bound to its parent stops when its channel or its stdin closes', async () => {
    const fleet = await startFakeFleet()
    const children: ChildProcess[] = []
    try {
      for (const stdio of ['ipc', 'pipe'] as const) {
        const { child } = await spawnRouter(
          fleet,
          children,
          { router: `router-${stdio}`, parent_bound: true },
          { stdio },
        )
        if (stdio === 'ipc') child.disconnect()
        else child.stdin!.end()
        const [status] = await once(child, 'exit')
        assert.equal(status, 0)
      }
    } finally {
      for (const child of children) child.kill('SIGKILL')
      await fleet.stop()
    }
  })
})
