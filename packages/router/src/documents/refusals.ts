/** Documents that were refused: counted by kind, the last one in words. They go to the log, the metrics and the reports. */
import { formatProblems, type Problem } from '@cellplane/contract'
import type { Logger } from '../log.ts'
import type { DocumentName } from './last-good.ts'

/** `disk`: the last good one, read back at start. `origin`: the control plane, or where the token keys come from. */
export type DocumentSource = 'disk' | 'origin' | 'object-store'

export type Refusals = {
  readonly counts: Readonly<Record<DocumentName, number>>
  readonly total: number
  /** What was refused last and why; null when nothing was. At most 1,024 characters, as reports allow. */
  readonly last: string | null
  add(document: DocumentName, source: DocumentSource, problems: readonly Problem[]): void
}

const REASON_LENGTH_MAX = 1024

export function createRefusals(log: Logger): Refusals {
  const counts = { base: 0, overlay: 0, jwks: 0 }
  let last: string | null = null
  return {
    counts,
    get total() {
      return counts.base + counts.overlay + counts.jwks
    },
    get last() {
      return last
    },
    add(document, source, problems) {
      counts[document]++
      last = `${document} from ${source}: ${formatProblems(problems)}`.slice(0, REASON_LENGTH_MAX)
      log.warn('a document was refused; the last good one stays', {
        document,
        source,
        code: problems[0]?.code ?? 'UNKNOWN',
        reason: last,
      })
    },
  }
}
