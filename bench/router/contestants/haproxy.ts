/**
 * HAProxy, as far as all of its contestants are the same: one thread, keep-alive on both sides, connections to cells
 * reused by any request, and no file descriptors or timeouts in the way of the load.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePortRange } from '@cellplane/testing'
import { TLS_SUITE } from '../load/target.ts'
import { startPinned } from '../processes/pinned-process.ts'
import type { Contestant, Environment, Running } from './contestant.ts'

const NEEDS = { program: 'haproxy', debian: 'haproxy' }

/** A configuration after `global` and `defaults`, and the files (maps) that it names as `<folder>/<name>`. */
export type Sections = { text: string; files?: Record<string, string> }

export function haproxyContestant(
  name: string,
  isRouting: boolean,
  sections: (bind: string, environment: Environment, folder: string) => Sections,
): Contestant {
  return {
    name,
    isRouting,
    isJustInTime: false,
    needs: NEEDS,
    version: () => /version (\S+)/.exec(spawnSync('haproxy', ['-v']).stdout.toString())![1]!,
    async start(environment): Promise<Running> {
      const folder = mkdtempSync(join(environment.folder, `${name}-`))
      const port = await freePortRange(1)
      const { text, files = {} } = sections(bindOf(port, folder, environment), environment, folder)
      for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content)
      const file = join(folder, 'haproxy.cfg')
      writeFileSync(file, `${COMMON}\n${text}\n`)
      const outputFile = join(folder, 'output.log')
      const started = startPinned(['haproxy', '-db', '-f', file], { core: environment.core, outputFile })
      await started.untilListening(port)
      return { ...started, port }
    },
  }
}

function bindOf(port: number, folder: string, { certificate }: Environment): string {
  const bind = `bind 127.0.0.1:${port} backlog 4096`
  if (!certificate) return bind
  const pem = join(folder, 'certificate.pem')
  const joined = spawnSync('cat', [certificate.certFile, certificate.keyFile]).stdout
  writeFileSync(pem, joined, { mode: 0o600 })
  return `${bind} ssl crt ${pem} alpn http/1.1`
}

const COMMON = `
global
  nbthread 1
  maxconn 12000
  no strict-limits
  tune.pattern.cache-size 0
  log stdout format raw local0
  ssl-default-bind-ciphersuites ${TLS_SUITE}
  ssl-default-bind-options ssl-min-ver TLSv1.3

defaults
  mode http
  http-reuse always
  retries 1
  timeout connect 1s
  timeout client 120s
  timeout server 30s
  timeout queue 1s
  timeout http-request 30s
  timeout http-keep-alive 120s
`
