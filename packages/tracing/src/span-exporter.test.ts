import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { startSpanReceiver, waitFor } from '@cellplane/testing'
import type { Span } from './span.ts'
import { startSpanExporter } from './span-exporter.ts'

const span = (nth: number, about: Partial<Span> = {}): Span => ({
  ...{ traceId: 'a'.repeat(32), spanId: String(nth).padStart(16, '0'), parentSpanId: null },
  ...{ name: 'GET', kind: 'server', startedAt: 1_000.25, endedAt: 1_000.75 },
  ...{ attributes: { nth }, isFailure: false },
  ...about,
})
const exportTo = (url: string) =>
  startSpanExporter({
    url,
    ...{ resource: { 'service.name': 'test' }, scope: 'test' },
    ...{ failuresWaitingMax: 10, othersWaitingMax: 3_072 },
  })

test('queues are bounded, failures have room of their own, and all that is lost is counted', async () => {
  const receiver = await startSpanReceiver()
  const exporter = exportTo(receiver.url)
  for (let nth = 0; nth < 10_000; nth++) exporter.add(span(nth))
  for (let nth = 0; nth < 11; nth++) exporter.add(span(nth, { isFailure: true }))
  assert.equal(exporter.dropped, 10_000 - 3_072 + 1)
  await exporter.stop()
  await receiver.stop()
  assert.deepEqual(receiver.spans[0]!.status, { code: 2 })
  assert.equal(receiver.spans[0]!.ms, 0.5)
  assert.equal(receiver.spans[0]!.resource['service.name'], 'test')
  assert.equal(exporter.exported, receiver.spans.length)
  assert.equal(exporter.exported + exporter.dropped, 10_011)
})

test('batch after batch goes out over one connection', async () => {
  const receiver = await startSpanReceiver()
  const exporter = exportTo(receiver.url)
  for (let nth = 0; nth < 2_000; nth++) exporter.add(span(nth))
  await waitFor('all of them to be taken', 60_000, () => exporter.exported === 2_000)
  await exporter.stop()
  await receiver.stop()
  assert.equal(receiver.connections, 1)
})

test('values keep their types, and undefined ones are not sent', async () => {
  const receiver = await startSpanReceiver()
  const exporter = exportTo(receiver.url)
  const attributes = { text: 'x', whole: 7, part: 0.5, isIt: true, missing: undefined }
  exporter.add(span(1, { attributes, kind: 'consumer', parentSpanId: 'b'.repeat(16) }))
  await exporter.stop()
  await receiver.stop()
  const [received] = receiver.spans
  assert.deepEqual(received?.attributes, { text: 'x', whole: '7', part: '0.5', isIt: 'true' })
  assert.deepEqual([received?.kind, received?.parentSpanId], [5, 'b'.repeat(16)])
})

test('a span that waits keeps nothing alive of what was read, and no more of its texts than has a use', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const receiver = await startSpanReceiver()
  const exporter = exportTo(receiver.url)
  collect()
  const before = process.memoryUsage().heapUsed
  const path = `/${'p'.repeat(8_000)}`
  const method = 'A-LONG-METHOD-OF-ITS-OWN'
  const parent = 'b7ad6b7169203331'
  for (let nth = 0; nth < 3_072; nth++) {
    // Cut out of what was read, as a head's texts are.
    const read = Buffer.from(`${method} ${path} ${parent} ${nth}`.padEnd(16_000)).toString('latin1')
    const pathAt = method.length + 1
    const parentAt = pathAt + path.length + 1
    exporter.add(
      span(nth, {
        name: read.slice(0, method.length),
        attributes: { 'url.path': read.slice(pathAt, pathAt + path.length) },
        parentSpanId: read.slice(parentAt, parentAt + parent.length),
      }),
    )
  }
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, nth) => [`key-${nth}`, nth]))
  exporter.add(span(0, { name: 'n'.repeat(500), attributes: many, isFailure: true }))
  collect()
  const kept = process.memoryUsage().heapUsed - before
  await exporter.stop()
  await receiver.stop()
  // They would be 49 MB with what was read, and 25 MB with their whole paths.
  assert.ok(kept < 10e6, `${kept} bytes are kept`)
  const [failure, first] = receiver.spans
  assert.equal(failure?.name.length, 128)
  assert.equal(Object.keys(failure!.attributes).length, 24)
  assert.deepEqual([first?.name, first?.parentSpanId], [method, parent])
  assert.equal(first?.attributes['url.path'], path.slice(0, 512))
})

test('a stop does not wait for a receiver that hangs, and counts what it takes with it', async () => {
  const hanging = createServer(() => {})
  await once(hanging.listen(0, '127.0.0.1'), 'listening')
  const exporter = exportTo(`http://127.0.0.1:${(hanging.address() as AddressInfo).port}/v1/traces`)
  for (let nth = 0; nth < 1_000; nth++) exporter.add(span(nth))
  await exporter.stop()
  assert.deepEqual([exporter.exported, exporter.dropped], [0, 1_000])
  hanging.closeAllConnections()
  hanging.close()
})

test('a receiver that answers with a switch of protocols costs its batch, and no stop waits for it', async (t) => {
  // As a proxy in front of something else would.
  const switching = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n'),
    )
    t.after(() => socket.destroy())
  })
  t.after(() => switching.close())
  await once(switching.listen(0, '127.0.0.1'), 'listening')
  const exporter = exportTo(`http://127.0.0.1:${(switching.address() as AddressInfo).port}/v1/traces`)
  exporter.add(span(1))
  let isStopped = false
  void exporter.stop().then(() => {
    isStopped = true
  })
  await waitFor('the stop', 60_000, () => isStopped)
  assert.deepEqual([exporter.exported, exporter.dropped], [0, 1])
})

test('a span that comes after the stop is counted as dropped', async () => {
  const receiver = await startSpanReceiver()
  const exporter = exportTo(receiver.url)
  exporter.add(span(1))
  await exporter.stop()
  exporter.add(span(2))
  await receiver.stop()
  assert.deepEqual([exporter.exported, exporter.dropped], [1, 1])
})

test('an exporter that nobody stops keeps no process alive', async () => {
  const program = `
    import { startSpanExporter } from ${JSON.stringify(new URL('./span-exporter.ts', import.meta.url).href)}
    startSpanExporter({ url: 'http://127.0.0.1:9/v1/traces', resource: {}, scope: '', failuresWaitingMax: 1, othersWaitingMax: 1 })`
  const { status, signal } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], {
    timeout: 60_000,
  })
  assert.deepEqual([status, signal], [0, null])
})
