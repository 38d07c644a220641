/**
 * Loaded before the router (`node --import`), it takes out of its sources whatever only measures: histograms, counts by
 * status, figures and counts of tenants, the access log, the report of each second. What is left routes, limits and
 * looks at health as ever, so that the difference is what telemetry costs.
 *
 * The router has no such switch and needs none; the sources are changed as they are read, by what a line begins with.
 * A line that is not found ends the process: otherwise a renamed function would make telemetry look free.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

/** By file below the router's sources: the text that is looked for, and what stands there instead. */
const TAKEN_OUT: Readonly<Record<string, readonly (readonly [text: string, instead: string])[]>> = {
  'cells/cell.ts': [
    functionBody('export function countDuration(counters: CellCounters, seconds: number): void {'),
  ],
  'cells/cells.ts': [['counters.attempts[(status / 100) | 0]!++', '']],
  'decision/tenant-figures.ts': [functionBody('attempted(tenant, slot, ms, now) {')],
  'decision/tenants.ts': [functionBody('count(tenant, isError) {')],
  'serve/access-log.ts': [['wants(status, now) {', 'wants(status, now) { return false;']],
  'reports/reporter.ts': [functionBody('const timer = setInterval(() => {')],
}

const ROUTER = new URL('./', import.meta.resolve('@cellplane/router')).href

registerHooks({
  load(url, context, nextLoad) {
    const changes = url.startsWith(ROUTER) ? TAKEN_OUT[url.slice(ROUTER.length)] : undefined
    if (!changes) return nextLoad(url, context)
    let source = readFileSync(fileURLToPath(url), 'utf8')
    for (const [text, instead] of changes) {
      if (source.split(text).length !== 2) {
        throw new Error(
          `${url}: expected one "${text}" to take out; bring without-telemetry.main.ts up to date`,
        )
      }
      source = source.replace(text, () => instead)
    }
    return { format: 'module-typescript', source, shortCircuit: true }
  },
})

function functionBody(head: string): readonly [string, string] {
  return [head, `${head} return;`]
}
