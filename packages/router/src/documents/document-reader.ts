/**
 * Reads documents without holding up requests. What a document costs grows with its size: 10 MB are a second of decoding,
 * parsing, checking and indexing, on a busy machine five, and in the router every request would wait for them.
 *
 *     small ──▶ read in place: cheaper than to start a process
 *     large ──▶ a process of its own ──(answer, exit)──────────────▶ what was read
 *                        └──(out of memory, out of time, crash)────▶ refused: TOPOLOGY_UNREADABLE
 *
 * Why a process, and not a thread: a thread has no memory of its own to run out of. When a worker thread reaches its limit
 * within one large step, as parsing is, the engine aborts the whole process (seen; 3 MB of `{},` do it), and a thread that
 * parses does not end when it is told to, for seconds. A process dies alone and at once.
 *
 * One process reads one document and ends, whether or not that goes well. So the memory that reading took, ten times the
 * document's, is given back at once and whole; each document has all of its limits for itself; and nothing waits idle that
 * would have to be looked after. To start one costs a third of a second of processor time, which is little beside what it
 * reads. While there is no base, and nothing to serve, most bases are read in place: a router that starts is ready sooner.
 * But not the largest, so that the admin port answers its probes meanwhile, and a document that nobody can read does not
 * take the router down at each of its starts.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import type { Writable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Parsed, problem, refused } from '@cellplane/contract'
import {
  bytesOf,
  type Chunks,
  type DocumentKind,
  type DocumentOrder,
  type ReadDocument,
  readDocument,
  TOPOLOGY_UNREADABLE,
  textOf,
} from './read-document.ts'
import { answerReader, orderFrames } from './reading-frames.ts'

export type ReaderLimits = {
  /** A document of this size is read in a few milliseconds; nearly every overlay is smaller. */
  inPlaceBytesMax: number
  /** The same for the first base; one of this size takes half a second. */
  firstInPlaceBytesMax: number
  /** What the process's objects may take. The largest document that is fetched at all is read within half of it. */
  heapMibMax: number
  /** From the process's start to its end: many times what the largest document takes on a machine that is busy. */
  readMsMax: number
}

export const READER_LIMITS: ReaderLimits = {
  inPlaceBytesMax: 64 * 1024,
  firstInPlaceBytesMax: 4 * 1024 * 1024,
  heapMibMax: 512,
  readMsMax: 120_000,
}

/**
 * Below the router's: on a machine whose processors are all busy, a request that comes waits for whoever runs, and a third
 * of the weight gives way to it at the next turn. Not less, so that it comes to its end on a machine that is busy all day:
 * beside eight others on its processor it gets a 25th, and the second that 10 MB take is over in half a minute.
 */
const NICENESS = 5

const OPEN_FILES_REMEDY = 'let the router have more open files (ulimit -n)'

const PROCESS = fileURLToPath(new URL('./reading-process.ts', import.meta.url))

/** Never rejects. Ended by `signal` it resolves to a refusal, when the process is gone. */
export async function readDocumentAside<K extends DocumentKind>(
  order: Omit<DocumentOrder<K>, 'text'>,
  document: Chunks,
  signal: AbortSignal,
  limits: ReaderLimits,
): Promise<Parsed<ReadDocument[K]>> {
  const isFirstBase = order.kind === 'base' && order.held === null
  const inPlaceMax = isFirstBase ? limits.firstInPlaceBytesMax : limits.inPlaceBytesMax
  try {
    if (bytesOf(document) <= inPlaceMax) return readDocument({ ...order, text: textOf(document) })
    return await readInProcess(order, document, signal, limits)
  } catch (error) {
    // Core throws for no document, and a process that cannot be started mostly says so by how it ends.
    return unreadable(document, (error as Error).message)
  }
}

async function readInProcess<K extends DocumentKind>(
  order: Omit<DocumentOrder<K>, 'text'>,
  document: Chunks,
  signal: AbortSignal,
  { heapMibMax, readMsMax }: ReaderLimits,
): Promise<Parsed<ReadDocument[K]>> {
  if (signal.aborted) return unreadable(document, 'the router stops')
  // One thread: what it collects and compiles aside would take a second processor from those who wait for requests, and
  // takes no less time in all.
  const argv = [`--max-old-space-size=${heapMibMax}`, '--single-threaded', PROCESS]
  // What the router was told to load first, or to do differently, is meant for the router.
  const env = { ...process.env, NODE_OPTIONS: '' }
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'ignore'], env })
  // At once: whoever listens later than the next turn misses that it could not be started, which then ends the router.
  const ended = endOf(child)
  const { stdin, stdout } = child
  // The system gives no process, and no streams, to who has as many open files as it may.
  if (!stdin || !stdout) return unreadable(document, `its process ${await ended}`, OPEN_FILES_REMEDY)
  // While there is no base there is nothing to serve, and nothing to give way to.
  if (order.held) giveWay(child)
  let gaveUp = ''
  const giveUp = (why: string) => {
    gaveUp ||= why
    child.kill('SIGKILL')
  }
  const onAbort = () => giveUp('the router stops')
  const timer = setTimeout(() => giveUp(`it took more than ${readMsMax} ms`), readMsMax)
  signal.addEventListener('abort', onAbort)
  const reader = answerReader<K>()
  let end: string
  try {
    stdout.on('data', reader.add)
    send(stdin, orderFrames(order, document))
    end = await ended
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
  if (gaveUp !== '') return unreadable(document, gaveUp)
  if (end !== '') {
    return unreadable(
      document,
      `its process ${end}; it may take ${heapMibMax} MiB of memory, and aborts when it needs more`,
    )
  }
  const answer = reader.answer()
  // To take the answer apart and to adopt it are milliseconds each; requests come between.
  await nextTurn()
  return answer ?? unreadable(document, 'its process broke off its answer')
}

/** Before the process has begun: threads that it starts have the priority that it has then. */
function giveWay({ pid }: ChildProcess): void {
  try {
    setPriority(pid!, NICENESS)
  } catch {
    // A system without priorities, or the process has ended and says how.
  }
}

function send(stdin: Writable, frames: readonly Uint8Array[]): void {
  // One that ends before it has read everything says so by how it ends.
  stdin.on('error', () => {})
  for (const frame of frames) stdin.write(frame)
  stdin.end()
}

/** How it ended, in words; empty when it ended well. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(`could not be started: ${error.message}`))
    child.on('close', (code, signal) => {
      resolve(code === 0 ? '' : signal ? `was ended by ${signal}` : `ended with ${code}`)
    })
  })
}

function unreadable(document: Chunks, why: string, remedy = 'publish a smaller document'): Parsed<never> {
  const message = `${bytesOf(document)} bytes could not be read: ${why}; ${remedy}`
  return refused(problem(TOPOLOGY_UNREADABLE, '', message))
}
