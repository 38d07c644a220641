/** The proxy that one writes with node:http alone: a server, a keep-alive agent and two pipes; `PORTS` of the cells in turn. */
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

const ports = process.env['PORTS']!.split(',').map(Number)
const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 })
let turn = 0
const server = createServer({ keepAliveTimeout: 120_000 }, (incoming, answer) => {
  turn = (turn + 1) % ports.length
  const { method, url: path, rawHeaders: headers } = incoming
  const onward = request(
    { host: '127.0.0.1', port: ports[turn], method, path, headers, agent },
    (answered) => {
      answer.writeHead(answered.statusCode!, answered.rawHeaders)
      answered.pipe(answer)
    },
  )
  // A client that has gone; a real failure is seen by the client.
  onward.on('error', () => answer.destroy())
  incoming.pipe(onward)
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`listening ${(server.address() as AddressInfo).port}`)
})
