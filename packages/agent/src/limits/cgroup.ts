/**
 * Resource limits of a whole cell, where the kernel lets us set them: Linux control groups, version 1 or 2.
 *
 * The cell's group is made below the agent's own, so that a limit around the agent (a container's, a unit's) goes on
 * to hold. Version 2 gives a group's controllers to its children only when the group itself holds no process, which
 * is so where someone delegates one to us (systemd: `Delegate=yes`, with the agent in a subgroup). Where that is not
 * so, the report says why, and the cell runs without limits: a laptop's fleet must not fail for want of them.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export type WantedLimits = { memoryMb: number | null; cpus: number | null }

export type CellLimits = {
  /** Which limits are in force, or why none are. */
  description: string
  /** Puts a process, and all that it will start, under the limits. */
  add(pid: number): Promise<void>
  /** After the last process has ended. */
  remove(): Promise<void>
}

type Controller = 'memory' | 'cpu'
type Mount = { path: string; root: string; version: 1 | 2; controllers: readonly string[] }

/** The kernel's default period; the quota is its share of it. */
const CPU_PERIOD_US = 100_000
const MB = 1024 * 1024
/** A group whose last process was just killed is busy for a moment longer. */
const REMOVE_TRIES_MAX = 20
const REMOVE_EVERY_MS = 50

/** `key` is unique on the machine: two fleets may call a cell the same. */
export async function limitCell(cell: string, key: string, wanted: WantedLimits): Promise<CellLimits> {
  const controllers = [
    ...(wanted.memoryMb === null ? [] : ['memory' as const]),
    ...(wanted.cpus === null ? [] : ['cpu' as const]),
  ]
  if (controllers.length === 0) return unlimited('no limits are asked for')
  const name = `cellplane-${cell}-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`
  try {
    const groups = new Set<string>()
    for (const controller of controllers) groups.add(await makeGroup(controller, name, wanted))
    return limited(describe(wanted), [...groups])
  } catch (error) {
    return unlimited(`no limits: ${(error as Error).message}`)
  }
}

const unlimited = (description: string): CellLimits => ({
  description,
  add: async () => {},
  remove: async () => {},
})

function limited(description: string, groups: readonly string[]): CellLimits {
  return {
    description,
    async add(pid) {
      for (const group of groups) {
        await writeFile(join(group, 'cgroup.procs'), String(pid)).catch((error: NodeJS.ErrnoException) => {
          // It ended before it could be limited.
          if (error.code !== 'ESRCH') throw error
        })
      }
    },
    async remove() {
      for (const group of groups) await removeGroup(group)
    },
  }
}

/** The folder of the new group, with its limit set. */
async function makeGroup(controller: Controller, name: string, wanted: WantedLimits): Promise<string> {
  const parent = await ownGroup(controller)
  const group = join(parent.path, name)
  if (parent.version === 2) {
    await explain(
      `${parent.path} does not give "${controller}" to its children; start the agent where a group is delegated to it (systemd: Delegate=yes)`,
      () => writeFile(join(parent.path, 'cgroup.subtree_control'), `+${controller}`),
    )
  }
  await explain(`a control group cannot be made in ${parent.path}; only root or a delegated user may`, () =>
    mkdir(group, { recursive: true }),
  )
  for (const [file, value] of limitFiles(controller, parent.version, wanted)) {
    await explain(`${join(group, file)} cannot be set to ${value}`, () => writeFile(join(group, file), value))
  }
  return group
}

function limitFiles(
  controller: Controller,
  version: 1 | 2,
  wanted: WantedLimits,
): [file: string, value: string][] {
  if (controller === 'memory') {
    const bytes = String((wanted.memoryMb ?? 0) * MB)
    return [[version === 2 ? 'memory.max' : 'memory.limit_in_bytes', bytes]]
  }
  const quota = String(Math.round((wanted.cpus ?? 0) * CPU_PERIOD_US))
  if (version === 2) return [['cpu.max', `${quota} ${CPU_PERIOD_US}`]]
  return [
    ['cpu.cfs_period_us', String(CPU_PERIOD_US)],
    ['cpu.cfs_quota_us', quota],
  ]
}

/** The agent's own group under the hierarchy that has this controller: cgroups(7), /proc/self/cgroup and mountinfo. */
async function ownGroup(controller: Controller): Promise<{ path: string; version: 1 | 2 }> {
  if (process.platform !== 'linux') throw new Error('this system has no control groups')
  const mounts = parseMounts(await readFile('/proc/self/mountinfo', 'utf8'))
  const memberships = (await readFile('/proc/self/cgroup', 'utf8')).trim().split('\n')
  const hasController = (names: readonly string[]) => names.includes(controller)
  const mount =
    mounts.find(({ version, controllers }) => version === 1 && hasController(controllers)) ??
    mounts.find(({ version }) => version === 2)
  if (!mount) throw new Error(`no control group hierarchy with "${controller}" is mounted`)
  for (const line of memberships) {
    const [, names = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    const isThis = mount.version === 2 ? names === '' : hasController(names.split(','))
    if (!isThis) continue
    // In a container the mount shows a part of the hierarchy, and the path may be counted from its top.
    const below = path.startsWith(mount.root) ? path.slice(mount.root.length) : path
    return { path: join(mount.path, below), version: mount.version }
  }
  throw new Error(`the agent is in no control group with "${controller}"`)
}

/** `36 35 98:0 /root /mount/point options - fstype source superoptions`, proc_pid_mountinfo(5). */
function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line): Mount[] => {
    const [left = '', right = ''] = line.split(' - ')
    const [, , , root = '/', path = ''] = left.split(' ')
    const [type, , options = ''] = right.split(' ')
    if (type !== 'cgroup' && type !== 'cgroup2') return []
    return [{ path, root, version: type === 'cgroup' ? 1 : 2, controllers: options.split(',') }]
  })
}

async function removeGroup(group: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await rmdir(group)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return
      if (code !== 'EBUSY' || tries >= REMOVE_TRIES_MAX) {
        throw new Error(`the control group ${group} cannot be removed: ${(error as Error).message}`, {
          cause: error,
        })
      }
    }
    await new Promise((resolve) => setTimeout(resolve, REMOVE_EVERY_MS))
  }
}

async function explain(what: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (cause) {
    throw new Error(`${what} (${(cause as NodeJS.ErrnoException).code})`, { cause })
  }
}

function describe({ memoryMb, cpus }: WantedLimits): string {
  return [memoryMb === null ? '' : `memory ${memoryMb} MB`, cpus === null ? '' : `${cpus} cpus`]
    .filter(Boolean)
    .join(', ')
}
