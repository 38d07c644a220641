import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problemDetails } from '@cellplane/contract'
import { json, startTestServer } from '../testing-server.ts'
import { createApiClient } from './api-client.ts'
import { ApiError } from './api-error.ts'

const ROUTE = {
  tenant: 'acme corp/eu',
  bucket: 7,
  source: 'pin',
  generation: 0,
  cells: [{ id: 'cell-001', role: 'home', health: 'healthy', endpoint: null }],
  former_cells: [],
  explanation: 'pinned',
}

async function withServer(
  answer: Parameters<typeof startTestServer>[0],
  use: (client: ReturnType<typeof createApiClient>, seen: string[], url: string) => Promise<void>,
  timeoutMs = 10_000,
) {
  const server = await startTestServer(answer)
  try {
    await use(createApiClient({ url: `${server.url}/`, token: 'secret', timeoutMs }), server.seen, server.url)
  } finally {
    await server.stop()
  }
}

const codeOf = (code: string, pattern?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ApiError, String(error))
  assert.equal(error.code, code, error.message)
  if (pattern) assert.match(error.message, pattern)
  return true
}

test('a call sends method, path, query, body and token as the table says', async () => {
  const bodies: string[] = []
  await withServer(
    (request, response, body) => {
      assert.equal(request.headers.authorization, 'Bearer secret')
      bodies.push(body)
      if (request.method === 'PUT') return json(response, 200, ROUTE)
      json(response, 200, { tenants: [], next: null })
    },
    async (client, seen) => {
      const route = await client.pinTenant({
        params: { tenant: 'acme corp/eu' },
        body: { cells: ['cell-001'], reason: 'big' },
      })
      assert.equal(route.cells[0]?.id, 'cell-001')
      await client.call('listTenants', { query: { limit: 5 } })
      await client.listTenants()
      assert.deepEqual(seen, [
        'PUT /v1/tenants/acme%20corp%2Feu/pin',
        'GET /v1/tenants?limit=5',
        'GET /v1/tenants',
      ])
      assert.deepEqual(bodies, ['{"cells":["cell-001"],"reason":"big"}', '', ''])
    },
  )
})

test('problem details become an error with their code, detail and every problem', async () => {
  const details = problemDetails('INVALID_REQUEST', 'the body is not valid', {
    problems: [{ code: 'UNKNOWN_FIELD', path: 'wieght', message: 'unknown field "wieght"' }],
  })
  await withServer(
    (_, response) => json(response, 400, details),
    async (client) => {
      await assert.rejects(
        client.addCell({ body: {} }),
        codeOf('INVALID_REQUEST', /not valid\n {2}wieght: unknown/),
      )
    },
  )
})

test('an answer of another shape, another format or an unlimited length is refused, not believed', async () => {
  for (const [status, body] of [
    [200, '{"cells": 1}'],
    [200, '<html>'],
    [200, ''],
    [502, '<html>bad gateway</html>'],
  ] as const) {
    await withServer(
      (_, response) => response.writeHead(status).end(body),
      async (client) => {
        await assert.rejects(client.listCells(), codeOf('ANSWER_INVALID'))
      },
    )
  }
  await withServer(
    (_, response) => {
      const chunk = Buffer.alloc(1024 * 1024, 0x20)
      const more = () => {
        while (response.write(chunk));
      }
      response.on('drain', more)
      more()
    },
    async (client) => {
      await assert.rejects(client.listCells(), codeOf('ANSWER_INVALID', /more than 33554432 bytes/))
    },
    60_000,
  )
})

test('a redirect is not followed, so that nobody else sees the token', async () => {
  let followed = 0
  const other = await startTestServer((_, response) => {
    followed++
    response.end('{}')
  })
  await withServer(
    (_, response) => response.writeHead(307, { location: other.url }).end(),
    async (client) => {
      await assert.rejects(client.listCells(), codeOf('UNREACHABLE'))
    },
  )
  await other.stop()
  assert.equal(followed, 0)
})

test('no answer in time, no server, and an abort are told apart', async () => {
  await withServer(
    () => {},
    async (client) => {
      await assert.rejects(client.listCells(), codeOf('TIMEOUT', /within 50 ms/))
      const aborted = AbortSignal.abort()
      await assert.rejects(client.listCells({}, { signal: aborted }), codeOf('ABORTED'))
    },
    50,
  )
  const gone = await startTestServer(() => {})
  await gone.stop()
  const client = createApiClient({ url: gone.url, token: 'secret' })
  await assert.rejects(
    client.listCells(),
    codeOf('UNREACHABLE', /ECONNREFUSED.*is the control plane running/),
  )
})

test('a write is sent once, whatever happens to its answer', async () => {
  await withServer(
    (_, response) => response.destroy(),
    async (client, seen) => {
      await assert.rejects(
        client.drainCell({ params: { cell: 'cell-001' }, body: { reason: 'x' } }),
        codeOf('UNREACHABLE'),
      )
      assert.equal(seen.length, 1)
    },
  )
})

test('a parameter that a URL would fold away is refused before anything is sent', async () => {
  await withServer(
    (_, response) => json(response, 200, ROUTE),
    async (client, seen) => {
      for (const tenant of ['', '.', '..']) {
        await assert.rejects(client.getTenantRoute({ params: { tenant } }), codeOf('INVALID_REQUEST'))
      }
      assert.deepEqual(seen, [])
    },
  )
})

test('a URL that is none is refused with an example', () => {
  for (const url of ['', 'localhost:7400', 'ftp://x', '/v1']) {
    assert.throws(() => createApiClient({ url, token: 't' }), codeOf('INVALID_REQUEST', /such as http/))
  }
})
