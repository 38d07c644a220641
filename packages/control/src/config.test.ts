import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readControlConfig, resolveControlConfig } from './config.ts'
import { exampleFleet, pathsOf } from './fixtures/control-fixture.ts'

let folder: string
let good: Record<string, unknown>

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cellplane-control-config-'))
  const file = (name: string) => join(folder, name)
  const { privateKey } = generateKeyPairSync('ed25519')
  await writeFile(file('fleet.json'), JSON.stringify({ directory: folder, fleet: exampleFleet() }))
  await writeFile(file('key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(file('router.key'), 'router-key-0123456789')
  await writeFile(file('admin.token'), 'admin-token-0123456789\n')
  good = {
    fleet_file: file('fleet.json'),
    listen: { host: '127.0.0.1', port: 0 },
    database_url: 'postgres://u:p@127.0.0.1:1/app',
    tokens: [{ role: 'admin', name: 'admin', token_file: file('admin.token') }],
    signing_key_file: file('key.pem'),
    router_key_file: file('router.key'),
    publish_dir: file('published'),
  }
})
after(() => rm(folder, { recursive: true, force: true }))

async function refusedPaths(changes: Record<string, unknown>): Promise<string[]> {
  const config = await resolveControlConfig({ ...good, ...changes })
  assert.ok(!config.ok)
  return pathsOf(config.problems)
}

test('a complete configuration is read with its secrets and its fleet', async () => {
  const config = await resolveControlConfig(good)
  assert.ok(config.ok)
  assert.equal(config.value.fleet.fleet, 'test')
  assert.deepEqual(config.value.tokens, [
    { role: 'admin', name: 'admin', token: 'admin-token-0123456789', mayForce: false },
  ])
  assert.equal(config.value.timing.reconcile_ms, 1000)
})

test('unknown fields, wrong types and relative paths are all named', async () => {
  const paths = await refusedPaths({ colour: 1, publish_dir: 'relative', listen: { host: '', port: 'x' } })
  assert.deepEqual(paths, ['colour', 'listen.host', 'listen.port', 'publish_dir'])
})

test('files that are missing, empty or of another kind are all named', async () => {
  await writeFile(join(folder, 'short.token'), 'abc')
  await writeFile(join(folder, 'not-a-key.pem'), 'hello')
  const paths = await refusedPaths({
    fleet_file: join(folder, 'nothing.json'),
    signing_key_file: join(folder, 'not-a-key.pem'),
    router_key_file: join(folder, 'short.token'),
    tokens: [
      { role: 'admin', name: 'a', token_file: join(folder, 'admin.token') },
      { role: 'reader', name: 'b', token_file: join(folder, 'admin.token') },
    ],
  })
  assert.deepEqual(paths, ['fleet_file', 'router_key_file', 'signing_key_file', 'tokens[1].token_file'])
})

test('a fleet file with problems is refused with their paths', async () => {
  const fleet = { ...exampleFleet(), placement: { shard_size: 9 }, colour: 'red' }
  await writeFile(join(folder, 'bad-fleet.json'), JSON.stringify({ directory: folder, fleet }))
  const paths = await refusedPaths({ fleet_file: join(folder, 'bad-fleet.json') })
  assert.deepEqual(paths, ['fleet_file: fleet.colour', 'fleet_file: fleet.placement.shard_size'])
})

test('a Prometheus is of this machine or https once a token goes there, and only its owner can read the token', async () => {
  const token_file = join(folder, 'prometheus.token')
  await writeFile(token_file, 'secret-of-prometheus\n', { mode: 0o600 })
  for (const prometheus of [
    { url: 'http://prometheus.internal:9090' },
    { url: 'http://127.0.0.1:9090', token_file },
    { url: 'http://[::1]:9090/of/a/tenant', token_file },
    { url: 'https://prometheus.example.com', token_file },
  ]) {
    const config = await resolveControlConfig({ ...good, prometheus })
    assert.ok(config.ok, JSON.stringify(prometheus))
    assert.deepEqual(config.value.prometheus, prometheus)
  }
  const refused: [prometheus: Record<string, unknown>, path: string][] = [
    [{ url: 'http://prometheus.internal:9090', token_file }, 'prometheus.url'],
    [{ url: 'http://127.0.0.1.evil.example:9090', token_file }, 'prometheus.url'],
    [{ url: 'http://user:pass@127.0.0.1:9090' }, 'prometheus.url'],
    [{ url: 'http://127.0.0.1:9090/?tenant=a' }, 'prometheus.url'],
    [{ url: 'http://127.0.0.1:9090/#a' }, 'prometheus.url'],
    [{ url: 'http://127.0.0.1:9090', token_file: 'prometheus.token' }, 'prometheus.token_file'],
    [{ url: 'http://127.0.0.1:9090', token_file: join(folder, 'nothing') }, 'prometheus.token_file'],
    [{ url: 'http://127.0.0.1:9090', token: 'secret' }, 'prometheus.token'],
    [{}, 'prometheus.url'],
  ]
  for (const [prometheus, path] of refused) assert.deepEqual(await refusedPaths({ prometheus }), [path])
  await chmod(token_file, 0o644)
  const config = await resolveControlConfig({
    ...good,
    prometheus: { url: 'http://127.0.0.1:9090', token_file },
  })
  assert.ok(!config.ok)
  assert.match(config.problems[0]!.message, /mode 0644; expected 0600/)
  assert.doesNotMatch(JSON.stringify(config.problems), /secret-of-prometheus/)
})

test('a webhook is https or of this machine once a token goes there, and its URL has no password', async () => {
  const token_file = join(folder, 'admin.token')
  for (const webhook of [
    { url: 'http://alerts.internal/cellplane?room=1' },
    { url: 'http://127.0.0.1:9093/', token_file },
    { url: 'https://alerts.example.com/', token_file },
  ]) {
    const config = await resolveControlConfig({ ...good, alert_webhooks: [webhook] })
    assert.ok(config.ok, JSON.stringify(webhook))
    assert.equal(config.value.alertWebhooks![0]!.url, webhook.url)
  }
  for (const url of [
    'https://ops:s3cret@alerts.example.com/',
    'http://alerts.internal/',
    'ftp://a.example/',
  ]) {
    const config = await resolveControlConfig({ ...good, alert_webhooks: [{ url, token_file }] })
    assert.ok(!config.ok)
    assert.deepEqual(pathsOf(config.problems), ['alert_webhooks[0].url'])
    assert.doesNotMatch(JSON.stringify(config.problems), /s3cret/)
  }
})

test('a file that was cut off is no JSON', async () => {
  await writeFile(join(folder, 'cut.json'), JSON.stringify(good).slice(0, 40))
  const config = await readControlConfig(join(folder, 'cut.json'))
  assert.ok(!config.ok)
  assert.equal(config.problems[0]?.code, 'INVALID_JSON')
})

test('the process ends with 2 and every problem when its configuration is wrong', async () => {
  await writeFile(
    join(folder, 'wrong.json'),
    JSON.stringify({ ...good, colour: 1, database_url: 'mysql://x' }),
  )
  const main = fileURLToPath(new URL('./main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, '--config', join(folder, 'wrong.json')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  assert.equal(code, 2)
  assert.match(errors, /colour: unknown field/)
  assert.match(errors, /database_url: /)
})
