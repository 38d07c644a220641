/**
 * Reads the logs' ends, in the order of time, and follows them as they grow.
 *
 * Files are read from their end, in bounded pieces: a log may have megabytes, and a terminal shows a page. A file that
 * got shorter was rotated, and is read from its beginning.
 */
import { type FileHandle, open, stat } from 'node:fs/promises'
import { pause } from '../pause.ts'
import type { LogFile } from './log-files.ts'
import { type LogLine, parseLogLine } from './log-line.ts'

/** What is read of one file at once: about 4,000 lines. */
const PIECE_BYTES_MAX = 1024 * 1024
const NEW_LINE = 0x0a
const LOOK_EVERY_MS = 250

export type LogReader = {
  /** Lines of the files' ends, oldest first. */
  tail(files: readonly LogFile[]): Promise<LogLine[]>
  /** New lines of the files, as they are written, until the signal. `find` is asked again on every look: cells come and go. */
  follow(find: () => Promise<LogFile[]>, onLine: (line: LogLine) => void, signal: AbortSignal): Promise<void>
}

export function createLogReader(): LogReader {
  /** How far each file was read: always to the end of a line, so that no line or character is seen in halves. */
  const offsets = new Map<string, number>()

  async function readLines(file: LogFile, from: (size: number) => { start: number; isLineStart: boolean }) {
    return await withFile(file, async (handle, size) => {
      const { start, isLineStart } = from(size)
      const bytes = await readBytes(handle, start, Math.min(size, start + PIECE_BYTES_MAX))
      const lastEnd = bytes.lastIndexOf(NEW_LINE) + 1
      // A line longer than a piece is shown in pieces rather than waited for.
      const end = lastEnd === 0 && bytes.length === PIECE_BYTES_MAX ? bytes.length : lastEnd
      offsets.set(file.path, start + end)
      const lines = bytes.toString('utf8', 0, end).replace(/\n$/, '').split('\n')
      if (!isLineStart) lines.shift()
      return end === 0 ? [] : lines.map((text) => parseLogLine(file.source, text))
    })
  }

  return {
    async tail(files) {
      const fromEnd = (size: number) => ({
        start: Math.max(0, size - PIECE_BYTES_MAX),
        isLineStart: size <= PIECE_BYTES_MAX,
      })
      const placed = await Promise.all(
        files.map(async (file) => inPlace(await readLines(file, fromEnd), await lastWriteOf(file))),
      )
      return placed
        .flat()
        .sort((a, b) => a.at - b.at)
        .map(({ line }) => line)
    },
    async follow(find, onLine, signal) {
      while (!signal.aborted) {
        for (const file of await find()) {
          const fromKnown = (size: number) => {
            const known = offsets.get(file.path) ?? 0
            return { start: size < known ? 0 : known, isLineStart: true }
          }
          for (const line of await readLines(file, fromKnown)) onLine(line)
        }
        await pause(LOOK_EVERY_MS, signal)
      }
    },
  }
}

/**
 * Each line with when it counts as written, so that sorting keeps a file's lines in their order. One without a time (of a
 * stack trace, say) takes that of the line before it; at the beginning that of the first line with one; and where a whole
 * file has none, all that is known is when it was last written.
 */
function inPlace(lines: readonly LogLine[], lastWrite: number): { line: LogLine; at: number }[] {
  let last = lines.find(({ time }) => time !== undefined)?.time ?? lastWrite
  let known: number | undefined
  return lines.map((line) => {
    known = line.time ?? known
    last = known ?? last
    return { line: { ...line, time: known }, at: last }
  })
}

async function lastWriteOf({ path }: LogFile): Promise<number> {
  const found = await stat(path).catch(() => undefined)
  return found?.mtimeMs ?? 0
}

/** A file that has just gone, or cannot be read, has no lines. */
async function withFile(
  { path }: LogFile,
  read: (handle: FileHandle, size: number) => Promise<LogLine[]>,
): Promise<LogLine[]> {
  const handle = await open(path, 'r').catch(() => undefined)
  if (!handle) return []
  try {
    return await read(handle, (await handle.stat()).size)
  } finally {
    await handle.close()
  }
}

async function readBytes(handle: FileHandle, start: number, end: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - start), 0, end - start, start)
  return buffer.subarray(0, bytesRead)
}
