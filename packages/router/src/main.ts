/**
 * The router's process: `main.ts --config FILE`.
 *
 * Exit status 2: the configuration is wrong, every problem of it is on stderr. 1: it could not start. 0: it was told to
 * stop, also while it started, by SIGTERM, SIGINT, or because the parent that it is bound to is gone. SIGHUP has it read
 * the files of TLS anew.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { formatProblems } from '@cellplane/contract'
import { parseRouterConfig, type RouterConfig } from './config.ts'
import { startRouter } from './router.ts'

const config = readConfig()
const stopping = new AbortController()
try {
  // Signals may come as soon as it says that it listens, and before: a start may take minutes.
  const starting = startRouter(config, {}, stopping.signal)
  const stop = () => {
    stopping.abort()
    starting
      .then((router) => router.stop())
      .then(
        () => process.exit(0),
        (error: Error) => fail(1, `the router did not stop cleanly: ${error.message}`),
      )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  if (config.listen.tls || config.cells_tls) {
    process.on('SIGHUP', () => starting.then((router) => router.reload()))
  }
  if (config.parent_bound) onParentGone(stop)
  await starting
} catch (error) {
  if (stopping.signal.aborted) process.exit(0)
  fail(1, `the router could not start: ${explain(error as NodeJS.ErrnoException)}`)
}

function readConfig(): RouterConfig {
  let text: string
  try {
    const { values } = parseArgs({ options: { config: { type: 'string' } } })
    if (values.config === undefined) return fail(2, 'expected --config FILE')
    text = readFileSync(values.config, 'utf8')
  } catch (error) {
    return fail(2, (error as Error).message)
  }
  const parsed = parseRouterConfig(text)
  return parsed.ok ? parsed.value : fail(2, formatProblems(parsed.problems))
}

function onParentGone(stop: () => void): void {
  if (process.connected) process.on('disconnect', stop)
  else process.stdin.on('end', stop).on('error', stop).resume()
}

function explain(error: NodeJS.ErrnoException & { port?: number }): string {
  return error.code === 'EADDRINUSE'
    ? `port ${error.port} is taken; stop what uses it, or choose another in listen.port or admin.port`
    : error.message
}

function fail(status: number, message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(status)
}
