/** The npm package http-proxy-3 as its manual says, with a keep-alive agent: `PORTS` of the cells in turn. */
import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProxyServer } from 'http-proxy-3'

const targets = process.env['PORTS']!.split(',').map((port) => `http://127.0.0.1:${port}`)
const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 })
const proxy = createProxyServer({ agent })
let turn = 0
// Requests whose client has gone; a real failure is seen by the client.
proxy.on('error', () => {})
const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
  turn = (turn + 1) % targets.length
  proxy.web(request, response, { target: targets[turn]! })
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`listening ${(server.address() as AddressInfo).port}`)
})
