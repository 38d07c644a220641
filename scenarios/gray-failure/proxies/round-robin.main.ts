/**
 * A plain round-robin proxy, as small as an honest one can be: `round-robin.main.ts '{"ports":[…],"repeats":"…"}'`.
 *
 * - Each request goes to the next instance whose health check answers.
 * - What fails is repeated at the next one, at most three tries in all: a connection that fails or breaks, as HAProxy and
 *   nginx do without being asked; with `repeats: "answers"` also 500, 502, 503 and 504 (HAProxy's `retry-on 500 …`,
 *   nginx's `proxy_next_upstream http_500 …`).
 * - Connections are kept. A caller who leaves takes the request with it.
 *
 * It carries requests without a body; the scenario sends no others.
 */
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HEALTH_PATH } from '../service/instance.ts'

export type RoundRobinOptions = { ports: number[]; repeats: 'connections' | 'answers' }

const TRIES_MAX = 3
const REPEATED_STATUSES = [500, 502, 503, 504]
/** HAProxy's `inter 1s fall 3 rise 2`. */
const CHECK_EVERY_MS = 1_000
const FAILS_UNTIL_OUT = 3
const PASSES_UNTIL_BACK = 2

type Server = { port: number; isIn: boolean; contrary: number }

const { ports, repeats } = JSON.parse(process.argv[2]!) as RoundRobinOptions
const servers = ports.map((port): Server => ({ port, isIn: true, contrary: 0 }))
const agent = new Agent({ keepAlive: true, maxSockets: 1024 })
let turn = 0

process.on('disconnect', () => process.exit(0))
process.on('message', () => process.send!(servers.flatMap(({ isIn }, index) => (isIn ? [] : [index]))))
setInterval(() => servers.forEach(check), CHECK_EVERY_MS)
const proxy = createServer((incoming, outgoing) => forward(incoming, outgoing, 1))
proxy.listen(0, '127.0.0.1', () =>
  process.stdout.write(`listening on ${(proxy.address() as AddressInfo).port}\n`),
)

function nextServer(): Server {
  const candidates = servers.filter(({ isIn }) => isIn)
  const all = candidates.length > 0 ? candidates : servers
  return all[turn++ % all.length]!
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, tries: number): void {
  const { method, url, headers } = incoming
  const upstream = request({ host: '127.0.0.1', port: nextServer().port, agent, method, path: url, headers })
  const leave = () => upstream.destroy()
  outgoing.once('close', leave)
  const isLast = tries === TRIES_MAX
  const again = () => {
    outgoing.off('close', leave)
    forward(incoming, outgoing, tries + 1)
  }
  upstream.once('response', (answer) => {
    if (repeats === 'answers' && !isLast && REPEATED_STATUSES.includes(answer.statusCode!)) {
      answer.resume()
      return again()
    }
    outgoing.writeHead(answer.statusCode!, answer.headers)
    answer.pipe(outgoing)
  })
  upstream.once('error', () => {
    if (outgoing.destroyed) return
    if (outgoing.headersSent) outgoing.destroy()
    else if (isLast) outgoing.writeHead(502).end()
    else again()
  })
  upstream.end()
}

function check(server: Server): void {
  const probe = request(
    { host: '127.0.0.1', port: server.port, path: HEALTH_PATH, timeout: CHECK_EVERY_MS },
    (answer) => {
      answer.resume()
      note(server, answer.statusCode === 200)
    },
  )
  probe.once('timeout', () => probe.destroy(new Error('no answer in time')))
  probe.once('error', () => note(server, false))
  probe.end()
}

function note(server: Server, isPassed: boolean): void {
  server.contrary = isPassed === server.isIn ? 0 : server.contrary + 1
  if (server.contrary < (server.isIn ? FAILS_UNTIL_OUT : PASSES_UNTIL_BACK)) return
  server.isIn = !server.isIn
  server.contrary = 0
}
