/**
 * "There is work": LISTEN and NOTIFY between the API and the workers of one cell.
 *
 * Only a hint, to save the time until the worker's next look. It is sent after the commit rather than inside: a transaction that
 * notifies takes a lock on its commit, and 202s would then be written one after the other. So a notification may get
 * lost, and the worker also looks by itself, every second.
 */
import { Client } from 'pg'
import type { Database } from './database.ts'

const CHANNEL = 'delivery_due'

/** Says that there is work. Coalesced: while one is on its way, the next waits, and stands for all that came meanwhile. */
export function createWaker(database: Database): () => void {
  let isSending = false
  let isAskedAgain = false
  async function send(): Promise<void> {
    isSending = true
    do {
      isAskedAgain = false
      // A hint that fails is a hint that is not given.
      await database.query(`NOTIFY ${CHANNEL}`).catch(() => {})
    } while (isAskedAgain)
    isSending = false
  }
  return () => {
    isAskedAgain = true
    if (!isSending) void send()
  }
}

export type Listener = {
  /** Resolves when there may be work: on a hint, after `waitMs`, or when the signal aborts. */
  wait(waitMs: number, signal: AbortSignal): Promise<void>
  stop(): Promise<void>
}

/** How often a lost connection is tried again. Until then the worker's own looks do. */
const RECONNECT_MS = 1000

export function listenForWork(url: string): Listener {
  let client: Client | undefined
  let retry: NodeJS.Timeout | undefined
  let isStopped = false
  let isHinted = false
  let wakeUp: () => void = () => {}

  const hint = () => {
    isHinted = true
    wakeUp()
  }

  function reconnectLater(): void {
    if (isStopped || retry) return
    retry = setTimeout(() => {
      retry = undefined
      void connect()
    }, RECONNECT_MS)
  }

  async function connect(): Promise<void> {
    const fresh = new Client({ connectionString: url, application_name: 'worker-listener', keepAlive: true })
    client = fresh
    fresh.on('error', () => {})
    fresh.on('end', reconnectLater)
    fresh.on('notification', hint)
    try {
      await fresh.connect()
      await fresh.query(`LISTEN ${CHANNEL}`)
      hint()
    } catch {
      await fresh.end().catch(() => {})
      reconnectLater()
    }
  }

  void connect()
  return {
    wait: (waitMs, signal) =>
      new Promise((resolve) => {
        const end = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', end)
          isHinted = false
          wakeUp = () => {}
          resolve()
        }
        const timer = setTimeout(end, waitMs)
        signal.addEventListener('abort', end)
        wakeUp = end
        if (isHinted || signal.aborted) end()
      }),
    async stop() {
      isStopped = true
      clearTimeout(retry)
      await client?.end().catch(() => {})
    },
  }
}
