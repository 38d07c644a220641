/** The signing key is replaced under a running control plane: both documents are signed anew, and what the store has is still believed. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { keyIdOf, privateKeyFromPem } from '@cellplane/contract'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import { createFixtureFor } from '../fixtures/test-databases.ts'

let postgres: TestPostgres

before(async () => {
  postgres = await startTestPostgres()
})
after(() => postgres.stop())

test('documents are signed with a new key within moments, and a restart believes both', async (t) => {
  const fixture = await createFixtureFor(t, postgres)
  const pem = fixture.file('topology.key.pem')
  const jwks = fixture.file('topology.jwks.json')
  const first = privateKeyFromPem(await readFile(pem, 'utf8'))
  const next = generateKeyPairSync('ed25519')
  const jwkOf = (key: typeof first) => key.export({ format: 'jwk' })
  await writeFile(jwks, JSON.stringify({ keys: [jwkOf(first), jwkOf(next.publicKey)] }))
  fixture.configFile.trusted_keys_file = jwks
  await fixture.startFleet()
  const signers = async () => {
    const documents = [await fixture.call('getBase'), await fixture.call('getOverlay')]
    return documents.map(({ body }) => body.signature?.key_id).join()
  }
  const by = (key: typeof first) => [keyIdOf(key), keyIdOf(key)].join()
  await fixture.waitFor('both documents', async () => (await signers()) === by(first))

  await writeFile(pem, next.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await fixture.waitFor('the new signatures', async () => (await signers()) === by(next.privateKey))
  assert.equal((await fixture.call('getBase')).body.version, 2)
  // Back to the former one while nothing runs: what the store has is signed with the other, and still good.
  await fixture.stop()
  await writeFile(pem, first.export({ type: 'pkcs8', format: 'pem' }))
  await fixture.start()
  await fixture.waitFor('the former signatures', async () => (await signers()) === by(first))
  assert.equal((await fixture.status()).epoch, 1)

  await writeFile(pem, 'no key')
  await fixture.call('pinTenant', { params: { tenant: 'acme' }, body: { cells: ['cell-002'], reason: 'x' } })
  assert.equal(await signers(), by(first), 'a file that cannot be used leaves the keys as they are')
})
