/**
 * cellplane's router: one real process with its defaults. It starts cold from documents on its disk and has nobody but
 * itself to learn from: no control plane answers, so no probe and no health mark helps it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePortRange } from '@cellplane/testing'
import { startProcess } from '../process.ts'
import { cellName, compileCells, FLEET, signCells } from './cells.ts'
import type { ProxyKind } from './proxy.ts'

type AdminStatus = { cells: { cell: string; is_ejected: boolean }[] }

export const cellplane: ProxyKind = {
  name: 'cellplane',
  about: 'the same instances as cells, two of eight for each tenant, behind cellplane’s router',
  async start(plan, ports) {
    const folder = mkdtempSync(join(tmpdir(), 'cellplane-gray-failure-'))
    const remove = () => rmSync(folder, { recursive: true, force: true })
    // Also when the command is interrupted.
    process.once('exit', remove)
    const documents = signCells(compileCells(plan, ports))
    const files = {
      'state/base.json': documents.base,
      'state/overlay.json': documents.overlay,
      'topology.jwks.json': documents.trustedKeys,
      'router.token': 'unused: there is no control plane',
      'router.key': 'router-key-of-the-scenario',
      'router.json': JSON.stringify(configOf(folder, await freePortRange(1))),
    }
    mkdirSync(join(folder, 'state'))
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(folder, name), text, { mode: 0o600 })
    }
    const child = startProcess(new URL(import.meta.resolve('@cellplane/router/main')), [
      '--config',
      join(folder, 'router.json'),
    ])
    const [line] = await child.untilOutput(/\{.*"router listening".*\}/)
    const { port, admin_port: adminPort } = JSON.parse(line) as { port: number; admin_port: number }
    return {
      url: `http://127.0.0.1:${port}`,
      async takenOut() {
        const answer = await fetch(`http://127.0.0.1:${adminPort}/status`)
        const { cells } = (await answer.json()) as AdminStatus
        const ejected = cells.filter(({ is_ejected }) => is_ejected).map(({ cell }) => cell)
        return ports.flatMap((_, slot) => (ejected.includes(cellName(slot)) ? [slot] : []))
      },
      async stop() {
        await child.stop()
        remove()
        process.off('exit', remove)
      },
    }
  },
}

/** What is not said here has its default, and the defaults are what production runs. */
function configOf(folder: string, controlPlanePort: number): object {
  return {
    router: 'router-1',
    fleet: FLEET,
    listen: { host: '127.0.0.1', port: 0 },
    admin: { host: '127.0.0.1', port: 0 },
    state_dir: join(folder, 'state'),
    topology: {
      // A port that nobody listens on.
      url: `http://127.0.0.1:${controlPlanePort}`,
      token_file: join(folder, 'router.token'),
      trusted_keys_file: join(folder, 'topology.jwks.json'),
    },
    router_key_file: join(folder, 'router.key'),
    jwks: null,
    parent_bound: true,
  }
}
