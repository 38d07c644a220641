/**
 * A plain shuffle-sharding proxy with replacement, as small as an honest one can be: `shuffle.main.ts '{"ports":[…],…}'`.
 *
 * - A tenant's shard is the first k of the live instances in an order of its own (rendezvous hashing). When one of them
 *   fails, the next in the order takes its place at once, so that the tenant always has k.
 * - An instance is live while its health check answers, asked twice a second; one that refuses a connection is dead at once.
 * - What fails before it was answered is tried at the next instance, three tries in all.
 *
 * It carries requests without a body; the scenario sends no others.
 */
import { createHash } from 'node:crypto'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TENANT_HEADER } from '../plan.ts'

export type ShuffleOptions = { ports: number[]; shardSize: number }

const TRIES_MAX = 3
const CHECK_EVERY_MS = 500

type Instance = { port: number; isLive: boolean }

const { ports, shardSize } = JSON.parse(process.argv[2]!) as ShuffleOptions
const instances = ports.map((port): Instance => ({ port, isLive: true }))
const agent = new Agent({ keepAlive: true, maxSockets: 1024 })
/** By tenant; the load has a bounded number of them. */
const orders = new Map<string, Instance[]>()
let turn = 0

process.on('disconnect', () => process.exit(0))
setInterval(() => instances.forEach(check), CHECK_EVERY_MS)
const proxy = createServer((incoming, outgoing) => forward(incoming, outgoing, 1))
proxy.listen(0, '127.0.0.1', () =>
  process.stdout.write(`listening on ${(proxy.address() as AddressInfo).port}\n`),
)

function shardOf(tenant: string): Instance[] {
  let order = orders.get(tenant)
  if (!order) {
    const scoreOf = ({ port }: Instance) =>
      createHash('md5')
        .update(`${tenant} ${ports.indexOf(port)}`)
        .digest('hex')
    order = instances.toSorted((a, b) => (scoreOf(a) < scoreOf(b) ? -1 : 1))
    orders.set(tenant, order)
  }
  const live = order.filter(({ isLive }) => isLive)
  return (live.length > 0 ? live : order).slice(0, shardSize)
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, tries: number): void {
  const { method, url, headers } = incoming
  const shard = shardOf(String(headers[TENANT_HEADER]))
  const instance = shard[turn++ % shard.length]!
  const upstream = request({ host: '127.0.0.1', port: instance.port, agent, method, path: url, headers })
  const leave = () => upstream.destroy()
  outgoing.once('close', leave)
  upstream.once('response', (answer) => {
    outgoing.writeHead(answer.statusCode!, answer.headers)
    answer.pipe(outgoing)
  })
  upstream.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED') instance.isLive = false
    outgoing.off('close', leave)
    if (outgoing.destroyed) return
    if (outgoing.headersSent) outgoing.destroy()
    else if (tries === TRIES_MAX) outgoing.writeHead(502).end()
    else forward(incoming, outgoing, tries + 1)
  })
  upstream.end()
}

function check(instance: Instance): void {
  const probe = request(
    { host: '127.0.0.1', port: instance.port, path: '/healthz', timeout: CHECK_EVERY_MS },
    (answer) => {
      answer.resume()
      instance.isLive = answer.statusCode === 200
    },
  )
  probe.once('timeout', () => probe.destroy(new Error('no answer in time')))
  probe.once('error', () => {
    instance.isLive = false
  })
  probe.end()
}
