/** When a tenure may publish: as soon as the routers were heard that it has to expect, and after some seconds in any case. */
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { ROUTERS } from '../store/collections.ts'
import { createPublishGate, type PublishGateOptions, ROUTERS_HEARD_MS } from './publish-gate.ts'

const NOW = Date.UTC(2026, 0, 1)

/** Routers by name, with how long before the tenure each reported; the base that is published is of this epoch. */
async function start(stored: Record<string, number>, epoch: number | null = 1) {
  const store = createMemoryStore()
  for (const [router, msAgo] of Object.entries(stored)) {
    const last_report_at = new Date(NOW - msAgo).toISOString()
    const row = { base: null, overlay: null, refused_documents: 0, last_refusal: null }
    await store.put(ROUTERS, router, { router, last_report_at, ...row })
  }
  const heard = new Set<string>()
  const gate = createPublishGate({
    store,
    published: { base: () => epoch && { epoch } } as unknown as PublishGateOptions['published'],
    routers: {
      seen: () => new Map([...heard].map((one) => [one, {}])),
    } as unknown as PublishGateOptions['routers'],
    now: () => NOW,
  })
  return { gate, heard }
}

async function isOpenAfter({ gate }: Awaited<ReturnType<typeof start>>, epoch = 1): Promise<boolean> {
  await gate.look(epoch)
  return gate.isOpen()
}

test('it opens at once where there is nobody to wait for', async () => {
  assert.equal(await isOpenAfter(await start({})), true)
  assert.equal(await isOpenAfter(await start({ a: 1_000 }, null)), true, 'nothing was ever published')
  assert.equal(await isOpenAfter(await start({}), 2), false, 'an older copy does not know its routers either')
})

test('it opens when all were heard that reported lately', async () => {
  const started = await start({ a: 1_000, b: 59_000, gone: 61_000 })
  assert.equal(await isOpenAfter(started), false)
  started.heard.add('a').add('other')
  assert.equal(await isOpenAfter(started), false)
  let isRung = false
  void started.gate.opened.wait(60_000).then(() => {
    isRung = true
  })
  started.heard.add('b')
  assert.equal(await isOpenAfter(started), true)
  await setImmediate()
  assert.equal(isRung, true)
  started.heard.clear()
  assert.equal(await isOpenAfter(started), true, 'it does not shut again')
})

test('it opens after some seconds although nobody was heard', async (t) => {
  const clock = mock.method(performance, 'now', () => 0)
  t.after(() => clock.mock.restore())
  const started = await start({ gone: 61_000 })
  clock.mock.mockImplementation(() => ROUTERS_HEARD_MS)
  assert.equal(await isOpenAfter(started), false)
  clock.mock.mockImplementation(() => ROUTERS_HEARD_MS + 1)
  assert.equal(await isOpenAfter(started), true)
})
