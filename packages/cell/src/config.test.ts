import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CELL_ENV } from '@cellplane/contract/cell'
import { cellConfigFromEnv } from './config.ts'

const COMPLETE = {
  [CELL_ENV.port]: '7511',
  [CELL_ENV.host]: '127.0.0.1',
  [CELL_ENV.databaseUrl]: 'postgres://app:pw@127.0.0.1:7510/app',
  [CELL_ENV.fleet]: 'notifications',
  [CELL_ENV.fleetKind]: 'stateless',
  [CELL_ENV.cell]: 'cell-002',
  [CELL_ENV.slot]: '1',
  [CELL_ENV.component]: 'api',
  [CELL_ENV.release]: '1.2.3',
  [CELL_ENV.jwks]: '/keys/jwks.json',
  [CELL_ENV.issuer]: 'https://issuer.test',
  [CELL_ENV.audience]: 'notifications',
  [CELL_ENV.algorithms]: 'EdDSA, RS256',
  [CELL_ENV.tenantClaim]: 'customer_id',
  [CELL_ENV.retentionHours]: '0.5',
  [CELL_ENV.queueDepth]: '1000',
}

test('the agent’s environment becomes one typed value', () => {
  const config = cellConfigFromEnv(COMPLETE)
  assert.equal(config.cell, 'cell-002')
  assert.equal(config.slot, 1)
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 7511 })
  assert.deepEqual(config.tokens?.algorithms, ['EdDSA', 'RS256'])
  assert.equal(config.retentionHours, 0.5)
  assert.equal(config.capacity.queueDepth, 1000)
  assert.equal(config.capacity.inFlight, undefined)
})

test('a component started by hand gets a cell of its own', () => {
  const config = cellConfigFromEnv({})
  assert.equal(config.cell, 'local')
  assert.equal(config.tokens, undefined)
  assert.equal(config.listen.port, 0)
})

test('everything that is wrong is said at once, with what was found and what is expected', () => {
  const wrong = {
    ...COMPLETE,
    [CELL_ENV.port]: '70000',
    [CELL_ENV.slot]: '-1',
    [CELL_ENV.fleetKind]: 'stateles',
    [CELL_ENV.queueDepth]: '1e9x',
    [CELL_ENV.audience]: '',
    [CELL_ENV.retentionHours]: 'forever',
  }
  assert.throws(
    () => cellConfigFromEnv(wrong),
    (error: Error) => {
      for (const part of [
        '$PORT is "70000"',
        '$CELLPLANE_SLOT is "-1"',
        '"stateles"; expected stateless or stateful',
        '1e9x',
        '$CELLPLANE_TOKEN_AUDIENCE missing',
        'forever',
      ]) {
        assert.ok(error.message.includes(part), `${part} in ${error.message}`)
      }
      return true
    },
  )
})

test('an algorithm with a shared key is refused: whoever verifies could issue', () => {
  assert.throws(
    () => cellConfigFromEnv({ ...COMPLETE, [CELL_ENV.algorithms]: 'HS256' }),
    /HS256; expected EdDSA/,
  )
})

test('a receiver of spans is an http URL, and a password in it is neither taken nor repeated', () => {
  const { tracesUrl: name } = CELL_ENV
  assert.equal(cellConfigFromEnv(COMPLETE).tracesUrl, undefined)
  const good = 'https://collector.test/v1/traces'
  assert.equal(cellConfigFromEnv({ ...COMPLETE, [name]: good }).tracesUrl, good)
  for (const wrong of ['collector:4317', 'grpc://collector:4317', 'http://ops:s3cret@collector.test/']) {
    assert.throws(
      () => cellConfigFromEnv({ ...COMPLETE, [name]: wrong }),
      (error: Error) =>
        /CELLPLANE_TRACES_URL is no http/.test(error.message) && !/s3cret/.test(error.message),
    )
  }
})
