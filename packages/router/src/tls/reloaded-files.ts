/**
 * Something that is made of files and made anew when they change: certificates, keys, the CAs that are trusted.
 *
 *     current ──(files changed, or told to)──▶ building ──(usable)──▶ current, the new one
 *        ▲                                         └──(not usable: logged, counted)──┐
 *        └──────────────────── the old one stays ───────────────────────────────────┘
 *
 * The files are read and compared every few seconds rather than watched: a watch misses what a mounted volume or a
 * symbolic link does, and reading a few kilobytes costs nothing. A file that is replaced while its neighbour is not yet
 * makes one refused attempt, and the next look a good one. What was refused is not tried again until it changes.
 */
import { readFile, stat } from 'node:fs/promises'
import { startPassLoop } from '../documents/pass-loop.ts'
import type { Logger } from '../log.ts'

/** `field` says where the configuration names it, for messages. */
export type NamedFile = { field: string; file: string }

export type ReloadedFiles<T> = {
  readonly current: T
  /** When the files of `current` were read. */
  readonly loadedAt: Date
  readonly reloads: number
  readonly refused: number
  /** Why the last attempt was refused; null when it was not. */
  readonly lastRefusal: string | null
  /** Looks at the files soon, and takes them even when they seem the same. */
  reload(): void
  stop(): Promise<void>
}

export type ReloadOptions<T> = {
  /** What it is, for the log. */
  what: string
  files: readonly NamedFile[]
  /**
   * Throws an error that names the field and the file when the texts cannot be used. They come in the order of `files`;
   * `previous` is what is in use, null at start.
   */
  build(texts: readonly string[], previous: T | null): T
  onReload(built: T): void
  pollMs: number
  log: Logger
}

/** A chain of certificates or a list of CAs has less; anything larger is the wrong file. */
const FILE_BYTES_MAX = 1024 * 1024

/** Rejects when the files cannot be used now. */
export async function startReloadedFiles<T>(options: ReloadOptions<T>): Promise<ReloadedFiles<T>> {
  const { what, files, build, onReload, pollMs, log } = options
  let lastTried = await readAll(files)
  let current = build(lastTried, null)
  let loadedAt = new Date()
  let reloads = 0
  let refused = 0
  let lastRefusal: string | null = null
  let isForced = false
  const stopping = new AbortController()

  async function pass(): Promise<void> {
    const isAsked = isForced
    isForced = false
    try {
      const texts = await readAll(files)
      if (!isAsked && texts.every((text, i) => text === lastTried[i])) return
      lastTried = texts
      current = build(texts, current)
      loadedAt = new Date()
      reloads++
      lastRefusal = null
      onReload(current)
      log.info(`${what} reloaded`)
    } catch (error) {
      const why = (error as Error).message
      // A file that is gone stays gone for many looks: said once.
      if (!isAsked && why === lastRefusal) return
      refused++
      lastRefusal = why
      log.error(`${what} not reloaded; the old ones stay`, { why })
    }
  }

  const loop = startPassLoop(pass, pollMs, stopping.signal)
  return {
    get current() {
      return current
    },
    get loadedAt() {
      return loadedAt
    },
    get reloads() {
      return reloads
    },
    get refused() {
      return refused
    },
    get lastRefusal() {
      return lastRefusal
    },
    reload() {
      isForced = true
      loop.wake()
    },
    async stop() {
      stopping.abort()
      await loop.ended
    },
  }
}

const readAll = (files: readonly NamedFile[]) => Promise.all(files.map(readNamed))

async function readNamed({ field, file }: NamedFile): Promise<string> {
  let text: string
  try {
    const info = await stat(file)
    if (!info.isFile()) throw new Error('it is not a file')
    if (info.size > FILE_BYTES_MAX) throw new Error(`it has ${info.size} bytes; at most ${FILE_BYTES_MAX}`)
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new Error(`${field}: ${file} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  if (text.trim() === '') throw new Error(`${field}: ${file} is empty; expected PEM text`)
  return text
}
