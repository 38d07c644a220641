import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRouterConfig } from './config.ts'

const BUCKET = { endpoint: 'https://s3.example.com', bucket: 'topologies' }

/** What is wrong with a configuration that has this section, as `path message`; else the section as it was read. */
function topology(section: object) {
  const address = { host: '127.0.0.1', port: 0 }
  const config = parseRouterConfig(
    JSON.stringify({
      ...{ router: 'router-1', fleet: 'shop', listen: address, admin: address, state_dir: '/s', jwks: null },
      ...{ router_key_file: '/k', topology: { trusted_keys_file: '/t', ...section } },
    }),
  )
  return config.ok ? config.value.topology : config.problems.map(({ path, message }) => `${path} ${message}`)
}

test('the topology comes from the control plane, from an object store, or from both', () => {
  const origin = { url: 'http://127.0.0.1:7400', token_file: '/router.token' }
  const read = { ...BUCKET, prefix: 'cellplane', region: 'us-east-1', poll_seconds: 10, after_seconds: 30 }
  assert.deepEqual(topology(origin), { trusted_keys_file: '/t', ...origin })
  assert.deepEqual(topology({ s3: BUCKET }), { trusted_keys_file: '/t', s3: read })
  assert.deepEqual(topology({ ...origin, s3: { ...BUCKET, credentials_file: '/c' } }), {
    ...{ trusted_keys_file: '/t', ...origin },
    s3: { ...read, credentials_file: '/c' },
  })
})

test('a section that names no source, half of one, or no place for an object store, is refused by its field', () => {
  assert.match(String(topology({})), /topology\.url expected url, or s3, or both/)
  assert.match(
    String(topology({ url: 'http://a' })),
    /topology\.token_file url and token_file belong together/,
  )
  assert.match(
    String(topology({ token_file: '/t', s3: BUCKET })),
    /topology\.token_file url and token_file belong/,
  )
  for (const [s3, path] of [
    [{ ...BUCKET, bucket: 'No StoreReader' }, 'bucket'],
    [{ ...BUCKET, prefix: '../up' }, 'prefix'],
    [{ ...BUCKET, endpoint: 'file:///etc' }, 'endpoint'],
    [{ ...BUCKET, credentials_file: 'relative.json' }, 'credentials_file'],
    [{ ...BUCKET, poll_seconds: 0 }, 'poll_seconds'],
    [{ ...BUCKET, secret: 'x' }, 'secret'],
  ] as const) {
    assert.match(String(topology({ s3 })), new RegExp(`topology\\.s3\\.${path} `))
  }
})
