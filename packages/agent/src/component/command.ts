/** What is executed for a component's lifecycle target: a command of the fleet file, or a Makefile's target. */
import { execFile } from 'node:child_process'
import type { Command, Component, LifecycleTarget } from '@cellplane/contract/fleet-file'

/** `make -q` reads the Makefile and runs nothing. */
const MAKE_QUESTION_TIMEOUT_MS = 10_000

/** A string is for /bin/sh; a list is an argument vector that no shell sees. */
export function argvOf(command: Command): readonly string[] {
  return typeof command === 'string' ? ['/bin/sh', '-c', command] : command
}

/** undefined when the component does not have the target. `directory` is absolute. */
export async function findTarget(
  component: Component,
  target: LifecycleTarget,
  directory: string,
): Promise<readonly string[] | undefined> {
  const command = component.targets[target]
  if (command !== undefined) return argvOf(command)
  if (!component.make) return undefined
  const rule = `cell-${target}`
  return (await makefileHas(rule, directory)) ? ['make', '--no-print-directory', rule] : undefined
}

/** Asks make itself, so that includes and pattern rules count; a broken Makefile is an error, not a target that is absent. */
function makefileHas(rule: string, directory: string): Promise<boolean> {
  const options = {
    cwd: directory,
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
    timeout: MAKE_QUESTION_TIMEOUT_MS,
  }
  return new Promise((resolve, reject) => {
    execFile('make', ['--question', rule], options, (error, _stdout, stderr) => {
      // 0: up to date, 1: it would be made, 2: it cannot be.
      if (error === null || error.code === 1) resolve(true)
      else if (stderr.includes(`No rule to make target '${rule}'`)) resolve(false)
      else {
        const what = stderr.trim() || error.message
        reject(new Error(`make cannot be asked for ${rule} in ${directory}: ${what}`, { cause: error }))
      }
    })
  })
}
