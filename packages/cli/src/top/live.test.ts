/** `top` and `report` as a shell runs them, against an API that answers: into a pipe, and in a terminal of their own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Report, Traffic } from '@cellplane/contract/api'
import { makeFolder } from '../testing.ts'

const CLI = fileURLToPath(new URL('../../bin/cellplane.js', import.meta.url))
/** Of util-linux: runs a program in a terminal. */
const SCRIPT = '/usr/bin/script'
/** Nothing that is run here ends by itself if it does not understand. */
const RUN_MAX_MS = 60_000

const TRAFFIC: Traffic = {
  ...{ at: '2026-01-01T12:34:56.789Z', window_seconds: 20, routers_reporting: 1 },
  automation: { is_frozen: false, reason: '', problems: [] },
  cells: [
    {
      ...{ id: 'cell-001', zone: 'a', role: 'serving', state: 'active', health: 'healthy', reason: '' },
      ...{ requests_per_second: 12, error_share: 0.5, p50_ms: 1, p99_ms: 2, in_flight: 3 },
      full_share: 0,
      ...{ budget_left: 0.5, alert: 'page', ejected_by: [] },
    },
  ],
}

const NOTHING = { availability: 1, nines: null, requests: 0, failed: 0, incidents: 0, mttr_seconds: null }
const TOTAL = { ...NOTHING, mtbf_seconds: null }
const REPORT: Report = {
  ...{ fleet: 'shop', from: '2026-01-01T00:00:00.000Z', until: '2026-01-08T00:00:00.000Z' },
  ...{ measured_from: null, step_seconds: 10_200, steps_until: '2026-01-08T00:00:00.000Z' },
  ...{ total: TOTAL, without_cells: TOTAL, cells: [], tenants: [], incidents: [] },
}

async function startApi(t: TestContext): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const answer = request.url?.startsWith('/v1/traffic') ? TRAFFIC : REPORT
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** `answer` is written to its input when the output has `when`. */
async function run(command: string, args: readonly string[], dialogue?: { when: string; answer: string }) {
  const env = { PATH: process.env['PATH'], TERM: 'xterm', CELLPLANE_TOKEN: 'x', NO_COLOR: '1' }
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'], timeout: RUN_MAX_MS })
  let output = ''
  let isAnswered = false
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (!dialogue || isAnswered || !output.includes(dialogue.when)) return
      isAnswered = true
      child.stdin.write(dialogue.answer)
    })
  }
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, output }
}

test('top prints once into a pipe, without colour, and the same as JSON', async (t) => {
  const { url, asked } = await startApi(t)
  const table = await run(process.execPath, [CLI, 'top', '--url', url])
  assert.equal(table.status, 0, table.output)
  assert.match(
    table.output,
    /^12:34:56Z {2}12\.0 requests\/s {2}50\.0 % errors {2}1 cell {2}1 router {2}1 cell paging\n\nCELL/,
  )
  assert.ok(!table.output.includes('\u001b'))
  const json = await run(process.execPath, [CLI, 'top', '--json', '--url', url])
  assert.deepEqual(JSON.parse(json.output), TRAFFIC)
  assert.deepEqual(asked, ['/v1/traffic?seconds=20', '/v1/traffic?seconds=20'])
})

test('top in a terminal draws until q, and leaves it as it was', {
  skip: existsSync(SCRIPT) ? false : `${SCRIPT} is not installed`,
}, async (t) => {
  const { url } = await startApi(t)
  const command = [process.execPath, CLI, 'top', '--url', url].join(' ')
  const ended = await run(SCRIPT, ['-qec', command, '/dev/null'], { when: 'q ends', answer: 'q' })
  assert.equal(ended.status, 0, ended.output)
  assert.ok(ended.output.includes('cell-001'))
  assert.ok(
    ended.output.trimEnd().endsWith('\u001b[?7h\u001b[?25h\u001b[?1049l'),
    JSON.stringify(ended.output),
  )
})

test('report asks for the time that is given, and writes a page', async (t) => {
  const { url, asked } = await startApi(t)
  const file = join(await makeFolder(t), 'week.html')
  const written = await run(process.execPath, [CLI, 'report', '--since', '7d', '--html', file, '--url', url])
  assert.deepEqual(written, { status: 0, output: `${file}\n` })
  assert.match(await readFile(file, 'utf8'), /^<!doctype html>[\s\S]*There are no metrics of this time/)
  assert.deepEqual(asked, ['/v1/report?seconds=604800&tenants=20'])
  const tooLong = await run(process.execPath, [CLI, 'report', '--since', '90d', '--url', url])
  assert.equal(tooLong.status, 2)
  assert.match(tooLong.output, /expected from 1m to 31d/)
})
