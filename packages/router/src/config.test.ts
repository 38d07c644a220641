import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRouterConfig } from './config.ts'

const BUCKET = { endpoint: 'https://s3.example.com', bucket: 'topologies' }

function parse(section: object) {
  const address = { host: '127.0.0.1', port: 0 }
  return parseRouterConfig(
    JSON.stringify({
      ...{ router: 'router-1', fleet: 'shop', listen: address, admin: address, state_dir: '/s', jwks: null },
      ...{ router_key_file: '/k', topology: { trusted_keys_file: '/t', s3: BUCKET }, ...section },
    }),
  )
}

/** What is wrong with a configuration that has this section, as `path message`; else the section as it was read. */
function topology(section: object) {
  const config = parse({ topology: { trusted_keys_file: '/t', ...section } })
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

test('spans go to a URL without a password, and what was found is not shown', () => {
  const receiver = 'http://127.0.0.1:4318/v1/traces'
  const config = parse({ traces: { otlp_url: receiver } })
  assert.ok(config.ok)
  assert.deepEqual(config.value.traces, { otlp_url: receiver, sample_share: 0.01 })
  const refused = parse({ traces: { otlp_url: 'https://ops:s3cret@traces.example.com/v1/traces' } })
  assert.ok(!refused.ok)
  assert.deepEqual(
    refused.problems.map(({ path }) => path),
    ['traces.otlp_url'],
  )
  assert.doesNotMatch(JSON.stringify(refused.problems), /s3cret/)
})

test('neither place that documents come from has a password in its URL, and what was found is not shown', () => {
  const url = 'https://ops:s3cret@topology.example.com'
  for (const topology of [{ s3: { ...BUCKET, endpoint: url } }, { url, token_file: '/token' }]) {
    const refused = parse({ topology: { trusted_keys_file: '/t', ...topology } })
    assert.ok(!refused.ok)
    assert.match(refused.problems[0]!.path, /^topology\.(s3\.endpoint|url)$/)
    assert.match(refused.problems[0]!.message, /without user, password, query and fragment/)
    assert.doesNotMatch(JSON.stringify(refused.problems), /s3cret/)
  }
})
