/**
 * Stand-ins for the providers on a laptop: a mail server, and an HTTP service for SMS and push. `cellplane up` starts them beside
 * the fleet; they are no part of it, and would be someone else's servers in production.
 */
import { createFaults } from './faults.ts'
import { startHttpSink } from './http.ts'
import { createInbox } from './inbox.ts'
import { startSmtpSink } from './smtp.ts'

const host = process.env['HOST'] ?? '127.0.0.1'
const portOf = (name: string): number => {
  const port = Number(process.env[name])
  if (Number.isInteger(port) && port >= 0 && port <= 65_535 && process.env[name]) return port
  throw new Error(`$${name} is ${JSON.stringify(process.env[name] ?? '')}; expected a port, 0–65535`)
}
const inbox = createInbox(process.env['SINKS_JOURNAL'] || undefined)
const faults = createFaults()
const smtp = await startSmtpSink(inbox, faults, { host, port: portOf('SMTP_PORT') })
const http = await startHttpSink(inbox, faults, { host, port: portOf('HTTP_PORT') })
console.log(JSON.stringify({ smtp: `smtp://${host}:${smtp.port}`, http: http.url }))

const stop = async () => {
  await Promise.all([smtp.stop(), http.stop()])
  process.exit(0)
}
process.once('SIGTERM', stop)
process.once('SIGINT', stop)
