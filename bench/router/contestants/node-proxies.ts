/** Proxies written with Node's own HTTP server and client, without cell routing: each a process of a few lines. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPinned } from '../processes/pinned-process.ts'
import type { Contestant } from './contestant.ts'

export const httpProxy3 = nodeContestant('http-proxy-3', () => packageVersion('http-proxy-3'))
export const nodeHttp = nodeContestant('node-http', () => `node ${process.version}`)

function nodeContestant(name: string, version: () => string): Contestant {
  const main = fileURLToPath(new URL(`./processes/${name}.main.ts`, import.meta.url))
  return {
    name,
    isRouting: false,
    isJustInTime: true,
    version,
    async start({ folder, core, ports }) {
      const started = startPinned([process.execPath, main], {
        core,
        outputFile: join(folder, `${name}-${process.hrtime.bigint()}.log`),
        env: { PORTS: ports.join(',') },
      })
      const [, port] = await started.untilOutput(/listening (\d+)/)
      return { ...started, port: Number(port) }
    },
  }
}

function packageVersion(name: string): string {
  const manifest = fileURLToPath(new URL(`../../../node_modules/${name}/package.json`, import.meta.url))
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}
