/** A client of the scenarios' fleets without tokens: asks routers in turn, over kept connections, and says who answered. */
import { Agent, get } from 'node:http'
import { HEADERS } from '@cellplane/contract'
import { TENANT_HEADER } from './gray-failure/proxies/cells.ts'

/** `outcome`: `ok`, or what came instead. `cell`: who answered; empty when nobody did. */
export type Asked = { outcome: string; cell: string }

export function createCaller(urls: readonly string[]): (tenant: string) => Promise<Asked> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  let next = 0
  return (tenant) =>
    new Promise((resolve) => {
      const headers = { [TENANT_HEADER]: tenant }
      const sent = get(urls[next++ % urls.length]!, { agent, headers }, (answer) => {
        const outcome = answer.statusCode === 200 ? 'ok' : String(answer.statusCode)
        const cell = String(answer.headers[HEADERS.cell] ?? '')
        answer.resume().once('end', () => resolve({ outcome, cell }))
      })
      sent.once('error', (error: NodeJS.ErrnoException) =>
        resolve({ outcome: error.code ?? error.message, cell: '' }),
      )
    })
}
