/**
 * The database that the control replicas share: collections in memory, sessions, and the lease that is a session's.
 *
 * It keeps what PostgreSQL keeps, and fails as it fails: a commit is whole or not at all, a lease ends with its
 * session, a session ends when its connection does, and of a commit whose answer was lost the client cannot tell whether
 * it happened. What is stored is text and is parsed again when it is read, so that nobody can change a row by
 * holding on to it. It can be restored: it is then as it was some time ago, as from a backup, or as a standby that lacked
 * the last commits.
 */
import { NotLeader } from '@cellplane/control/parts'
import type { World } from './world.ts'

export type Session = { readonly id: number; isOpen: boolean; onEnd: () => void }
export type Change = { table: string; key: string; text: string | null }

/** Seam for planting bugs; a real store has none. */
export type StoreBugs = {
  /** The lease is a row with a short term, and whoever held it goes on writing until it hears otherwise. */
  isUnfenced?: boolean
}

/** How long the session of a client is kept that is not heard from; a lease that is a row with a term has a shorter one. */
const KEEPALIVE_MS = 15_000
const TERM_MS = 1_500

/** Commits that can be undone: those of some minutes. */
const UNDO_MAX = 2_000

export type StoreServer = ReturnType<typeof createStoreServer>

export function createStoreServer(world: World, bugs: StoreBugs = {}) {
  const tables = new Map<string, Map<string, string>>()
  /** Rows as values, by their text: they are asked for every second and hardly ever change. */
  const sorted = new Map<string, readonly string[]>()
  let isUp = true
  let sessions = new Set<Session>()
  let leaseOf: Session | null = null
  let opened = 0
  /** What each commit replaced, and when: oldest first. */
  const undo: { at: number; before: Change[] }[] = []
  let commits = 0
  let restores = 0

  const tableOf = (name: string) => {
    let table = tables.get(name)
    if (!table) {
      table = new Map()
      tables.set(name, table)
    }
    return table
  }

  function apply(changes: readonly Change[]): Change[] {
    const before: Change[] = []
    for (const { table: name, key, text } of changes) {
      const table = tableOf(name)
      const old = table.get(key)
      before.unshift({ table: name, key, text: old ?? null })
      if (text === null) table.delete(key)
      else table.set(key, text)
      if ((old === undefined) !== (text === null)) sorted.delete(name)
    }
    return before
  }

  function takeBack(count: number): number {
    const gone = undo.splice(undo.length - Math.min(count, undo.length))
    for (const { before } of gone.reverse()) apply(before)
    return gone.length
  }

  function end(session: Session): void {
    if (!session.isOpen) return
    session.isOpen = false
    sessions.delete(session)
    if (leaseOf === session) leaseOf = null
    if (!bugs.isUnfenced) session.onEnd()
  }

  return {
    isUp: () => isUp,
    /** Whether a session that broke is over for its client as well. */
    endsSessions: !bugs.isUnfenced,
    keepaliveMs: bugs.isUnfenced ? TERM_MS : KEEPALIVE_MS,
    /** What any statement of a session that is no more comes to. */
    mustBeUsable(session: Session): void {
      if (!session.isOpen && !bugs.isUnfenced) throw new NotLeader('the session ended')
    },
    commits: () => commits,
    restores: () => restores,
    read: (table: string, key: string): string | undefined => tableOf(table).get(key),
    keys(name: string): readonly string[] {
      let keys = sorted.get(name)
      if (!keys) {
        keys = [...tableOf(name).keys()].sort()
        sorted.set(name, keys)
      }
      return keys
    },
    open(onEnd: () => void): Session | null {
      if (!isUp) return null
      const session = { id: ++opened, isOpen: true, onEnd }
      sessions.add(session)
      return session
    },
    end,
    /** Whether the session holds the lease now. */
    tryLease(session: Session): boolean {
      if (!session.isOpen || (leaseOf !== null && leaseOf !== session)) return false
      leaseOf = session
      return true
    },
    /** All of it or nothing; false when the session is no more. */
    commit(session: Session, changes: readonly Change[]): boolean {
      if (!isUp || (!session.isOpen && !bugs.isUnfenced)) return false
      undo.push({ at: world.now(), before: apply(changes) })
      if (undo.length > UNDO_MAX) undo.shift()
      commits++
      return true
    },
    /** All sessions end. What was committed is there afterwards. */
    stop(): void {
      isUp = false
      for (const session of [...sessions]) world.as(world.outside, () => end(session))
      sessions = new Set()
    },
    start(): void {
      isUp = true
    },
    /** Makes it what it was so long ago, as far back as is known. To be called while it is down. Returns how many commits are gone. */
    restore(agoMs: number): number {
      restores++
      const since = world.now() - agoMs
      return takeBack(undo.filter(({ at }) => at > since).length)
    },
    /** What was there before the world began. */
    seed(table: string, rows: readonly (readonly [string, string])[]): void {
      apply(rows.map(([key, text]) => ({ table, key, text })))
    },
    corrupt(table: string, key: string): void {
      apply([{ table, key, text: '{"is":"not what it was"}' }])
    },
  }
}
