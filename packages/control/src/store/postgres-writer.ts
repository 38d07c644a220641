/**
 * The lease and the writer: one connection that is both.
 *
 *   disconnected ──connect──▶ candidate ──the lock is free──▶ leader
 *        ▲                        │                              │
 *        └──── the connection ends, or does not answer ──────────┘
 *
 * Each step is tried once a poll. The lease is a PostgreSQL advisory lock, which belongs to the session: the server
 * frees it the moment that the session ends, by whatever cause. All writes use that same session. So a process that
 * lost its lease cannot write, even before it knows: there is no session left to write with, and nothing to fence.
 */
import pg from 'pg'
import type { Logger } from 'pino'
import { documentsOf, toStoreError } from './postgres-documents.ts'
import { type InvalidRow, NotLeader, StoreUnavailable, type StoreWriter } from './store.ts'

/** Any number will do, as long as every version of the control plane uses the same: "cell" and "lead" in ASCII. */
const LEASE_LOCK = [0x63656c6c, 0x6c656164]

/** A connection that does not answer a statement for so long is given up, and the lease with it. The largest change, a base of 32 MB, takes well below a second. */
const STATEMENT_TIMEOUT_MS = 10_000
const CONNECT_TIMEOUT_MS = 3_000

/** Changes that wait for the one before. Operators are few; more than this is a loop somewhere that should hear "no". */
const CHANGES_WAITING_MAX = 64

export type PostgresWriterOptions = {
  url: string
  pollMs: number
  /** Called at each tenure's begin; the signal aborts at its end. */
  onLeader: (tenure: AbortSignal) => void
  onInvalidRow: (row: InvalidRow) => void
  logger: Logger
}

type Session = { client: pg.Client; tenure: AbortController | undefined }

export type PostgresWriter = ReturnType<typeof startPostgresWriter>

export function startPostgresWriter(options: PostgresWriterOptions) {
  const { url, pollMs, onLeader, onInvalidRow, logger } = options
  let session: Session | undefined
  let isStopped = false
  let waiting = 0
  let tail: Promise<unknown> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let polling: Promise<void> = Promise.resolve()

  function end(lost: Session, why: string): void {
    if (session !== lost) return
    session = undefined
    // `end()` waits for the server, which may be gone; the socket is what has to go, for the server frees the lock by it.
    lost.client.end().catch(() => {})
    ;(lost.client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
    if (lost.tenure) logger.warn({ why }, 'lease lost')
    lost.tenure?.abort(new NotLeader(why))
  }

  async function connect(): Promise<Session> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'cellplane-control (writer)',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS,
      keepAlive: true,
    })
    const opened: Session = { client, tenure: undefined }
    client.on('error', (error) => end(opened, error.message))
    client.on('end', () => end(opened, 'the connection ended'))
    await client.connect()
    return opened
  }

  async function poll(): Promise<void> {
    try {
      if (!session) {
        const opened = await connect()
        if (isStopped) return void (await opened.client.end())
        session = opened
      }
      const current = session
      if (current.tenure) {
        // A change under way is a sign of life itself, and inside its transaction a question would only disturb.
        if (waiting === 0) await enqueue(() => current.client.query('SELECT 1'))
        return
      }
      const { rows } = await current.client.query('SELECT pg_try_advisory_lock($1, $2) AS held', LEASE_LOCK)
      if (rows[0]?.held !== true || session !== current) return
      current.tenure = new AbortController()
      logger.info('lease taken')
      onLeader(current.tenure.signal)
    } catch (error) {
      if (session) end(session, (error as Error).message)
    }
  }

  function loop(): void {
    polling = poll().finally(() => {
      if (!isStopped) timer = setTimeout(loop, pollMs)
    })
  }

  function enqueue<T>(job: () => Promise<T>): Promise<T> {
    waiting++
    const result = tail.then(job)
    tail = result.catch(() => {}).finally(() => waiting--)
    return result
  }

  async function transact<T>(change: (writer: StoreWriter) => Promise<T>): Promise<T> {
    const current = session
    if (!current?.tenure) throw new NotLeader('another replica holds the lease, or none does yet')
    const { client, tenure } = current
    try {
      await client.query('BEGIN')
    } catch (error) {
      end(current, (error as Error).message)
      throw toStoreError(error)
    }
    try {
      const result = await change(documentsOf(client, onInvalidRow))
      await client.query('COMMIT').catch((error: Error) => {
        throw toStoreError(error)
      })
      return result
    } catch (error) {
      // What cannot be rolled back is in an unknown state: the session ends, and the next leader reads what is true.
      await client.query('ROLLBACK').catch((failure: Error) => end(current, failure.message))
      throw tenure.signal.aborted ? tenure.signal.reason : error
    }
  }

  loop()
  return {
    isLeader: (): boolean => session?.tenure !== undefined,
    async write<T>(change: (writer: StoreWriter) => Promise<T>): Promise<T> {
      if (waiting >= CHANGES_WAITING_MAX) {
        throw new StoreUnavailable(`${waiting} changes are waiting to be stored; try again later`)
      }
      return enqueue(() => transact(change))
    },
    async stop(): Promise<void> {
      isStopped = true
      clearTimeout(timer)
      await polling
      await tail
      const last = session
      session = undefined
      last?.tenure?.abort(new NotLeader('this replica is stopping'))
      await last?.client.end().catch(() => {})
    },
  }
}
