/** Every contestant, in the order in which they are shown; and what of them this machine can run. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cellplane } from './cellplane.ts'
import type { Contestant } from './contestant.ts'
import { haproxyBare, haproxyTcp } from './haproxy-bare.ts'
import { haproxyCell, haproxyCellLean } from './haproxy-cell.ts'
import { nginxBare } from './nginx-bare.ts'
import { httpProxy3, nodeHttp } from './node-proxies.ts'

export const CONTESTANTS: readonly Contestant[] = [
  cellplane,
  haproxyCell,
  haproxyCellLean,
  haproxyBare,
  haproxyTcp,
  nginxBare,
  httpProxy3,
  nodeHttp,
]

export type Missing = { contestant: string; why: string }

/** Installs what is missing where that is allowed (root on Debian); otherwise says how to. */
export function prepare(wanted: readonly Contestant[]): { ready: Contestant[]; missing: Missing[] } {
  const lacking = () =>
    new Set(wanted.flatMap(({ needs }) => (needs && !isOnPath(needs.program) ? [needs.debian] : [])))
  const packages = [...lacking()]
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`
  const mayInstall = process.getuid?.() === 0 && existsSync('/etc/debian_version')
  if (packages.length > 0 && mayInstall) {
    console.error(`installing ${packages.join(', ')}`)
    spawnSync('sh', ['-c', `apt-get update -q && ${command}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  }
  const left = lacking()
  const isReady = ({ needs }: Contestant) => !needs || !left.has(needs.debian)
  return {
    ready: wanted.filter(isReady),
    missing: wanted
      .filter((contestant) => !isReady(contestant))
      .map(({ name, needs }) => ({
        contestant: name,
        why: `${needs!.program} is not installed; to have it: apt-get install ${needs!.debian}`,
      })),
  }
}

function isOnPath(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}
