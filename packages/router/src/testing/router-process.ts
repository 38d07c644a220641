/** The router's `main.ts` as a process of its own: to be killed, signalled, starved, and to share a port with others. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FakeFleet, RouterOptions } from './fake-fleet.ts'
import { until } from './wait.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

export type Spawned = { child: ChildProcess; port: number; adminPort: number; output(): string }

export type ProcessOptions = {
  stdio?: 'pipe' | 'ipc'
  /** A module that the process loads before its own. */
  preload?: string
  /** Files that the process may have open. */
  openFilesMax?: number
}

/** Runs `main.ts` and waits until it listens. `children` gets it at once, to be killed whatever happens. */
export async function spawnRouter(
  fleet: FakeFleet,
  children: ChildProcess[],
  options: RouterOptions,
  process: ProcessOptions = {},
): Promise<Spawned> {
  const file = join(fleet.folder, `${options.router}.json`)
  await writeFile(file, JSON.stringify(fleet.configOf(options)))
  const { child, output } = runMain(['--config', file], process)
  children.push(child)
  const line = await until('the router to listen', () => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${output()}`)
    return /\{.*"router listening".*\}/.exec(output())?.[0]
  })
  const { port, admin_port: adminPort } = JSON.parse(line)
  return { child, port, adminPort, output }
}

export function runMain(args: string[], { stdio = 'pipe', preload, openFilesMax }: ProcessOptions = {}) {
  const command = [process.execPath, ...(preload ? ['--import', preload] : []), MAIN, ...args]
  // The shell sets the limit and becomes the process.
  const limited =
    openFilesMax === undefined
      ? command
      : ['sh', '-c', `ulimit -n ${openFilesMax} && exec "$@"`, 'sh', ...command]
  const child = spawn(limited[0]!, limited.slice(1), {
    stdio: ['pipe', 'pipe', 'pipe', ...(stdio === 'ipc' ? (['ipc'] as const) : [])],
  })
  let text = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  return { child, output: () => text }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
