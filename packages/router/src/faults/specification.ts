/**
 * docs/faults.md as the suites read it: each row is a fault, and the test of that row has its id and its words as a name.
 * So the document cannot claim what nothing tests, and no test goes unmentioned.
 */
import { readFileSync } from 'node:fs'

export const DOCUMENT = new URL('../../../../docs/faults.md', import.meta.url)

/** Test names (`id: fault`) by the heading above their table. */
export function readFaults(text = readFileSync(DOCUMENT, 'utf8')): Map<string, string[]> {
  const sections = new Map<string, string[]>()
  let names: string[] = []
  for (const line of text.split('\n')) {
    const heading = /^## (.+)$/.exec(line)?.[1]
    if (heading) {
      names = []
      sections.set(heading, names)
    }
    const row = /^\| *`([a-z0-9-]+)` *\| *([^|]+?) *\|/.exec(line)
    if (row) names.push(`${row[1]}: ${row[2]}`)
  }
  return sections
}

/** The tests of one section by their names. Throws when a row has no test, or a test no row. */
export function faultsOf<Fault>(heading: string, faults: Readonly<Record<string, Fault>>): [string, Fault][] {
  const names = readFaults().get(heading) ?? []
  const idOf = (name: string) => name.slice(0, name.indexOf(':'))
  for (const id of Object.keys(faults)) {
    if (!names.some((name) => idOf(name) === id)) {
      throw new Error(`the fault ${id} has a test and no row in docs/faults.md, "${heading}"`)
    }
  }
  return names.map((name) => {
    const fault = faults[idOf(name)]
    if (!fault) throw new Error(`docs/faults.md, "${heading}": the row ${idOf(name)} has no test`)
    return [name, fault]
  })
}
