/**
 * The service: a cell's one process, a node:http server whose work is a sleep. It is what `cellplane up` runs in a cell, and
 * what the plain ground runs as an instance.
 *
 * One tenant's requests meet a bug that ends the process, another's one that is answered 500. The first is written
 * down before the process ends: one line of its output for each crash.
 */
import { writeSync } from 'node:fs'
import { createServer } from 'node:http'
import { FAILING, PLAN, POISON, TENANT_HEADER } from '../plan.ts'

const { workMs, bootMs } = PLAN.service

const server = createServer((request, response) => {
  if (request.url === '/healthz') return response.writeHead(200).end()
  const tenant = request.headers[TENANT_HEADER]
  if (tenant === POISON) {
    writeSync(1, `${JSON.stringify({ msg: 'crash', at: Date.now() })}\n`)
    process.exit(1)
  }
  setTimeout(() => {
    response.writeHead(tenant === FAILING ? 500 : 200, { 'content-length': 2 }).end('.\n')
  }, workMs)
})
setTimeout(() => server.listen(Number(process.env['PORT']), process.env['HOST'] ?? '127.0.0.1'), bootMs)
process.on('SIGTERM', () => process.exit(0))
// As an instance of the plain ground it ends with whoever started it.
process.on('disconnect', () => process.exit(0))
