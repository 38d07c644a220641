/** The API on a socket. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'
import type { ApiEnv } from './api.ts'

/** What answers still have to be written when the server stops get this long. */
const STOP_TIMEOUT_MS = 2_000

export type RunningServer = { url: string; stop(): Promise<void> }

/** Throws (EADDRINUSE) when the port is taken. Port 0 takes a free one. */
export async function serveApi(
  api: Hono<ApiEnv>,
  listen: { host: string; port: number },
): Promise<RunningServer> {
  const server = createAdaptorServer({ fetch: api.fetch }) as Server
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen.port, listen.host, resolve)
  })
  const { address, family, port } = server.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), STOP_TIMEOUT_MS)
      await closed
      clearTimeout(timer)
    },
  }
}
