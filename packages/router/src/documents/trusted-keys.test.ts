/** The signing key is replaced under real routers: they follow through, serve all the time, and then believe the former key no more. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { keyIdOf, signDocument, type UnsignedTopologyBase } from '@cellplane/contract'
import type { Router } from '../router.ts'
import { send } from '../testing/client.ts'
import { startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

test('keys rotate with an overlap, and a key that was taken out signs nothing any more', async () => {
  const fleet = await startFakeFleet()
  try {
    const { controlPlane, files } = fleet
    const routers = [
      await fleet.startRouter({ router: 'router-1' }),
      await fleet.startRouter({ router: 'router-2' }),
    ]
    const status = async (router: Router) => (await send(router.adminPort, { path: '/status' })).json
    const all = (what: string, isSo: (router: Router) => Promise<boolean>) =>
      until(what, async () => (await Promise.all(routers.map(isSo))).every(Boolean))
    const has = (version: number) =>
      all(`base ${version}`, async (router) => (await status(router)).base?.version === version)
    const isServed = async () => assert.equal((await send(routers[0]!.port)).status, 200)
    await has(1)

    const next = generateKeyPairSync('ed25519')
    const nextJwk = next.publicKey.export({ format: 'jwk' })
    const publish = (base: UnsignedTopologyBase, key: KeyObject) => {
      controlPlane.serve('base', JSON.stringify(signDocument(base, keyIdOf(key), key)))
      return base.version
    }

    // Too early: nobody trusts it, and nothing happens but a counted refusal.
    const early = fleet.buildBase()
    publish(early, next.privateKey)
    await all('the refusal', async (router) => (await status(router)).refused_documents.base === 1)
    assert.match((await status(routers[0]!)).last_refusal, /add the key to the trusted ones first/)
    await isServed()

    await writeFile(files.keys, JSON.stringify({ keys: [...controlPlane.jwks.keys, nextJwk] }))
    await until('both files to be read', () => {
      return (
        fleet.logLines.filter((line) => line.includes('keys that sign the topology reloaded')).length >= 2
      )
    })
    await has(publish(fleet.buildBase(), next.privateKey))
    const { version } = fleet.publishBase()
    await has(version)
    await isServed()

    await writeFile(files.keys, JSON.stringify({ keys: [nextJwk] }))
    await until('both files to be read again', () => {
      return (
        fleet.logLines.filter((line) => line.includes('keys that sign the topology reloaded')).length >= 4
      )
    })
    fleet.publishBase()
    await all('its refusal', async (router) => (await status(router)).refused_documents.base === 2)
    await has(publish(fleet.buildBase(), next.privateKey))
    await isServed()
  } finally {
    await fleet.stop()
  }
})
