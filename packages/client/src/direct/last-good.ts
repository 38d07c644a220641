/** The last good documents as files, so that a process that starts while the control plane is gone routes all the same. */
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Problem, problem, TOPOLOGY_BYTES_MAX } from '@cellplane/contract'
import type { DocumentKind } from './document-source.ts'

export function createLastGood(directory: string) {
  const fileOf = (kind: DocumentKind) => join(directory, `${kind}.json`)
  return {
    /** Undefined when there is none, or none that can be read: then the control plane is asked. */
    async read(kind: DocumentKind): Promise<string | undefined> {
      try {
        const { size } = await stat(fileOf(kind))
        return size > TOPOLOGY_BYTES_MAX ? undefined : await readFile(fileOf(kind), 'utf8')
      } catch {
        return undefined
      }
    },
    /** Whole or not at all: written beside its place, forced to disk, renamed. A full disk is a problem to report, not an end. */
    async write(kind: DocumentKind, text: string): Promise<Problem[]> {
      const file = fileOf(kind)
      const partial = `${file}.${process.pid}.partial`
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        const handle = await open(partial, 'w', 0o600)
        try {
          await handle.writeFile(text)
          await handle.sync()
        } finally {
          await handle.close()
        }
        await rename(partial, file)
        return []
      } catch (error) {
        return [
          problem(
            'FILE_UNWRITABLE',
            file,
            `cannot be written (${(error as NodeJS.ErrnoException).code}); a restart will need the control plane`,
          ),
        ]
      }
    },
  }
}
