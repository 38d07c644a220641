/**
 * The control plane's `Store` port over the simulated database: one replica's connections to it.
 *
 *     disconnected ──connect──▶ candidate ──the lease is free──▶ leader
 *          ▲                        │                               │
 *          └──── the session ends, or nothing is answered ──────────┘
 *
 * It behaves as the PostgreSQL adapter does, state for state and limit for limit. Where the two could differ a
 * simulation proves nothing, so what is said there about the lease holds here: writes go through the session that holds
 * it, and a replica that is cut off goes on believing for as long as a statement may take.
 */
import { parseWith } from '@cellplane/contract'
import {
  type Collection,
  NotLeader,
  type Page,
  type Rows,
  type Store,
  StoreRowInvalid,
  StoreUnavailable,
  type StoreWriter,
} from '@cellplane/control/parts'
import type { Network } from './network.ts'
import type { Change, Session, StoreServer } from './store-server.ts'
import type { Process, World } from './world.ts'

export const STORE_PLACE = 'store'

/** As the PostgreSQL adapter: a session that does not answer for so long is given up. */
const STATEMENT_TIMEOUT_MS = 10_000
const CHANGES_WAITING_MAX = 64

/** Parsed rows by their text. Bounded: what does not fit is parsed again. */
const PARSED_MAX = 4_096

export type VirtualStoreParts = {
  world: World
  network: Network
  server: StoreServer
  owner: Process
  leasePollMs: number
}

type Held = { session: Session; tenure: AbortController | undefined }

export function createVirtualStore({ world, network, server, owner, leasePollMs }: VirtualStoreParts): Store {
  const parsed = new Map<Collection<unknown>, Map<string, unknown>>()
  let held: Held | undefined
  let onLeader: ((tenure: AbortSignal) => void) | undefined
  let waiting = 0
  let tail: Promise<unknown> = Promise.resolve()
  let isStopped = false

  /** To the server and back; `run` is what it does there. */
  function statement<T>(run: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let isAnswered = false
      function outcomeOf(job: () => T): () => void {
        try {
          if (!server.isUp()) throw new StoreUnavailable('the database does not answer')
          const value = job()
          return () => resolve(value)
        } catch (error) {
          return () => reject(error as Error)
        }
      }
      const isSent = network.send(owner.place, STORE_PLACE, world.outside, () => {
        const settle = outcomeOf(run)
        const isBack = network.send(STORE_PLACE, owner.place, owner, () => {
          isAnswered = true
          settle()
        })
        if (!isBack) giveUp()
      })
      function giveUp(): void {
        world.schedule(owner, STATEMENT_TIMEOUT_MS, () => {
          if (!isAnswered) reject(new StoreUnavailable(`no answer within ${STATEMENT_TIMEOUT_MS} ms`))
        })
      }
      if (!isSent) giveUp()
    })
  }

  function parsedRow<T>(collection: Collection<T>, key: string, text: string): T {
    let known = parsed.get(collection)
    if (!known) {
      known = new Map()
      parsed.set(collection, known)
    }
    if (known.has(text)) return known.get(text) as T
    const value = parseWith(collection.schema, JSON.parse(text))
    if (!value.ok) throw new StoreRowInvalid({ table: collection.table, key, problems: value.problems })
    if (known.size >= PARSED_MAX) known.clear()
    known.set(text, deepFreeze(value.value))
    return value.value
  }

  type Texts = {
    read(table: string, key: string): string | undefined
    keys(table: string): readonly string[]
  }

  function get<T>(texts: Texts, collection: Collection<T>, key: string): T | undefined {
    const text = texts.read(collection.table, key)
    return text === undefined ? undefined : parsedRow(collection, key, text)
  }

  function list<T>(texts: Texts, collection: Collection<T>, page: Page = {}): Rows<T> {
    const { after, limit = Number.POSITIVE_INFINITY, order = 'ascending' } = page
    const keys = texts.keys(collection.table)
    const rows: Rows<T> = { rows: [], invalid: [] }
    const isAscending = order === 'ascending'
    for (let i = 0; i < keys.length && rows.rows.length + rows.invalid.length < limit; i++) {
      const key = keys[isAscending ? i : keys.length - 1 - i]!
      if (after !== undefined && (isAscending ? key <= after : key >= after)) continue
      try {
        rows.rows.push({ key, value: get(texts, collection, key)! })
      } catch (error) {
        if (!(error instanceof StoreRowInvalid)) throw error
        rows.invalid.push(error.row)
      }
    }
    return rows
  }

  /** What a transaction sees: the rows, with its own changes over them. */
  function transactionOf(changes: Map<string, Change>): StoreWriter {
    const idOf = (table: string, key: string) => `${table}\0${key}`
    const texts: Texts = {
      read(table, key) {
        const own = changes.get(idOf(table, key))
        return own ? (own.text ?? undefined) : server.read(table, key)
      },
      keys(table) {
        const keys = server.keys(table)
        const own = [...changes.values()].filter((change) => change.table === table)
        if (own.length === 0) return keys
        const gone = new Set(own.map((change) => change.key))
        return [
          ...keys.filter((key) => !gone.has(key)),
          ...own.flatMap(({ key, text }) => (text === null ? [] : [key])),
        ].sort()
      },
    }
    const set = (table: string, key: string, text: string | null) =>
      void changes.set(idOf(table, key), { table, key, text })
    return {
      get: async (collection, key) => get(texts, collection, key),
      list: async (collection, page) => list(texts, collection, page),
      count: async (collection) => texts.keys(collection.table).length,
      put: async (collection, key, value) => set(collection.table, key, JSON.stringify(value)),
      remove: async (collection, key) => set(collection.table, key, null),
    }
  }

  function end(lost: Held, why: string): void {
    if (held !== lost || (!server.endsSessions && !isStopped)) return
    held = undefined
    // The server learns of it with the connection's end, or by its own keepalive when it hears nothing more.
    if (!network.send(owner.place, STORE_PLACE, world.outside, () => server.end(lost.session))) {
      world.schedule(world.outside, server.keepaliveMs, () => server.end(lost.session))
    }
    lost.tenure?.abort(new NotLeader(why))
  }

  async function connect(): Promise<Held> {
    const session = await statement(() => {
      const opened = server.open(() => {
        network.send(STORE_PLACE, owner.place, owner, () => {
          if (held?.session === opened) end(held, 'the connection ended')
        })
      })
      if (opened) watchClient(opened)
      return opened
    })
    if (!session) throw new StoreUnavailable('the database does not answer')
    return { session, tenure: undefined }
  }

  /** The server ends the session of a client that died, at once, or that it has not heard from for long. */
  function watchClient(session: Session): void {
    let silentMs = 0
    const look = () => {
      if (!session.isOpen) return
      silentMs = network.isWhole(owner.place, STORE_PLACE) ? 0 : silentMs + leasePollMs
      const isDead = !owner.isAlive && silentMs === 0
      if (isDead || silentMs >= server.keepaliveMs) return server.end(session)
      world.schedule(world.outside, leasePollMs, look)
    }
    world.schedule(world.outside, leasePollMs, look)
  }

  async function poll(): Promise<void> {
    try {
      held ??= await connect()
      const current = held
      if (current.tenure) {
        if (waiting === 0) await enqueue(() => statement(() => server.mustBeUsable(current.session)))
        return
      }
      const isHeld = await statement(() => server.tryLease(current.session))
      if (!isHeld || held !== current || isStopped) return
      current.tenure = new AbortController()
      onLeader?.(current.tenure.signal)
    } catch (error) {
      if (held) end(held, (error as Error).message)
    }
  }

  function enqueue<T>(job: () => Promise<T>): Promise<T> {
    waiting++
    const result = tail.then(job)
    tail = result.catch(() => {}).finally(() => waiting--)
    return result
  }

  async function transact<T>(change: (writer: StoreWriter) => Promise<T>): Promise<T> {
    const current = held
    if (!current?.tenure) throw new NotLeader('another replica holds the lease, or none does yet')
    try {
      await statement(() => server.mustBeUsable(current.session))
    } catch (error) {
      end(current, (error as Error).message)
      throw error
    }
    const changes = new Map<string, Change>()
    const result = await change(transactionOf(changes))
    if (changes.size === 0) return result
    try {
      const isStored = await statement(() => server.commit(current.session, [...changes.values()]))
      if (!isStored) throw new NotLeader('the session ended')
      return result
    } catch (error) {
      end(current, (error as Error).message)
      throw error
    }
  }

  return {
    get: (collection, key) => statement(() => get(server, collection, key)),
    list: (collection, page) => statement(() => list(server, collection, page)),
    count: (collection) => statement(() => server.keys(collection.table).length),
    campaign(lead) {
      onLeader = lead
      const loop = () => {
        void poll().finally(() => {
          if (!isStopped) world.schedule(owner, leasePollMs, loop)
        })
      }
      loop()
    },
    isWriter: () => held?.tenure !== undefined,
    write: async (change) => {
      if (waiting >= CHANGES_WAITING_MAX)
        throw new StoreUnavailable(`${waiting} changes are waiting to be stored`)
      return enqueue(() => transact(change))
    },
    async stop() {
      isStopped = true
      if (held) end(held, 'this replica is stopping')
    },
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) deepFreeze(part)
    Object.freeze(value)
  }
  return value
}
