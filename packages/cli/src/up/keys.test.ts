import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { keyIdOf, signDocument, trustedKeysOf, verifyDocument } from '@cellplane/contract'
import { type FleetFile, parseFleetFile } from '@cellplane/contract/fleet-file'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { prepareStateDir } from '../fleet/state-dir.ts'
import { type StateLayout, stateLayout } from '../fleet/state-layout.ts'
import { fleetText, makeFolder } from '../testing.ts'
import { openIssuer, tokenPolicyOf } from '../tokens/development-issuer.ts'
import { ensureKeys, readSecret } from './keys.ts'
import { forgetFormerKey, prepareNextKey, rotationPhase, switchToNextKey } from './rotate-keys.ts'

async function makeState(folder: string): Promise<StateLayout> {
  const stateDir = join(folder, 'state')
  await prepareStateDir(stateDir, false)
  const layout = stateLayout(stateDir)
  await ensureKeys(layout)
  return layout
}

function fleetOf(partitionKey: string, more = ''): FleetFile {
  const fleet = parseFleetFile(fleetText(more, partitionKey))
  if (!fleet.ok) throw new Error(JSON.stringify(fleet.problems))
  return fleet.value
}

const JWT_RULE = '{ from: jwt, claim: customer_id }'

test('keys are made once, differ from each other, and are closed', async (t) => {
  const layout = await makeState(await makeFolder(t))
  const names = await readdir(layout.keys)
  const before = await Promise.all(names.map((name) => readFile(join(layout.keys, name), 'utf8')))
  assert.equal(new Set(before).size, names.length)
  for (const name of names) assert.equal((await stat(join(layout.keys, name))).mode & 0o777, 0o600, name)
  assert.ok((await readSecret(layout.adminToken)).length >= 43)
  await chmod(layout.adminToken, 0o644)
  await ensureKeys(layout)
  assert.equal((await stat(layout.adminToken)).mode & 0o777, 0o600)
  assert.deepEqual(await Promise.all(names.map((name) => readFile(join(layout.keys, name), 'utf8'))), before)
})

test('the public halves belong to the private ones, also when those were restored', async (t) => {
  const layout = await makeState(await makeFolder(t))
  await writeFile(layout.topologyJwks, '{}')
  await ensureKeys(layout)
  const keys = trustedKeysOf(JSON.parse(await readFile(layout.topologyJwks, 'utf8')))
  const key = createPrivateKey(await readFile(layout.topologyKey, 'utf8'))
  assert.ok(keys.ok && verifyDocument(signDocument({ a: 1 }, keyIdOf(key), key), keys.value).ok)
  assert.equal((await stat(layout.issuerJwks)).mode & 0o777, 0o644)
  assert.ok(!(await readFile(layout.issuerJwks, 'utf8')).includes('"d"'))
})

test('a damaged key is said, and never replaced in silence', async (t) => {
  const layout = await makeState(await makeFolder(t))
  await writeFile(layout.topologyKey, 'not a key')
  await assert.rejects(ensureKeys(layout), { code: 'KEY_DAMAGED', message: /restore it, or delete it/ })
  assert.equal(await readFile(layout.topologyKey, 'utf8'), 'not a key')
  await rm(layout.topologyKey)
  await ensureKeys(layout)
})

test('a development token says what the fleet asks for, and the published keys verify it', async (t) => {
  const layout = await makeState(await makeFolder(t))
  const fleet = fleetOf(JWT_RULE)
  const issuer = await openIssuer(fleet, layout.stateDir)
  const now = Date.now()
  const token = await issuer.issue({ tenant: 'acme', expiresInMs: 60_000, claims: { plan: 'gold' }, now })
  const jwks = createLocalJWKSet(JSON.parse(await readFile(layout.issuerJwks, 'utf8')))
  const policy = tokenPolicyOf(fleet)!
  const { payload } = await jwtVerify(token, jwks, { issuer: policy.issuer, audience: policy.audience })
  assert.deepEqual([payload['customer_id'], payload['plan']], ['acme', 'gold'])
  assert.equal(payload.exp! - payload.iat!, 60)
  assert.throws(
    () => issuer.issue({ tenant: 'acme', expiresInMs: 1, claims: { customer_id: 'other' }, now }),
    { code: 'CLAIM_RESERVED' },
  )
})

test('no token is issued for a fleet that uses none, or somebody else’s', async (t) => {
  const layout = await makeState(await makeFolder(t))
  await assert.rejects(openIssuer(fleetOf('{ from: header, name: x-tenant }'), layout.stateDir), {
    code: 'NO_TOKENS',
    message: /the header x-tenant/,
  })
  const tokens = 'tokens: { issuer: https://id.example, audience: shop, jwks_url: https://id.example/jwks }'
  await assert.rejects(openIssuer(fleetOf(JWT_RULE, `cells: { count: 3 }\n${tokens}`), layout.stateDir), {
    code: 'OTHER_ISSUER',
    message: /https:\/\/id\.example/,
  })
  await assert.rejects(openIssuer(fleetOf(JWT_RULE), join(layout.stateDir, 'absent')), {
    code: 'ISSUER_KEY_UNREADABLE',
  })
})

test('while the signing key is replaced, what signs is trusted before and after every step, also by another `up`', async (t) => {
  const layout = await makeState(await makeFolder(t))
  const signer = async () => createPrivateKey(await readFile(layout.topologyKey, 'utf8'))
  const trusted = async (): Promise<string[]> => {
    await ensureKeys(layout)
    const keys = trustedKeysOf(JSON.parse(await readFile(layout.topologyJwks, 'utf8')))
    assert.ok(keys.ok)
    return [...keys.value.keys()]
  }
  const first = keyIdOf(await signer())
  assert.deepEqual([rotationPhase(layout), await trusted()], ['settled', [first]])

  await prepareNextKey(layout)
  const both = await trusted()
  assert.deepEqual([rotationPhase(layout), both.length, keyIdOf(await signer())], ['prepared', 2, first])
  await prepareNextKey(layout)
  assert.deepEqual(await trusted(), both, 'prepared once')

  const second = await switchToNextKey(layout)
  assert.deepEqual([rotationPhase(layout), keyIdOf(await signer())], ['switched', second])
  assert.deepEqual((await trusted()).sort(), both.sort())
  assert.notEqual(second, first)

  await forgetFormerKey(layout)
  assert.deepEqual([rotationPhase(layout), await trusted()], ['settled', [second]])
})
