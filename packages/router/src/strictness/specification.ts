/**
 * docs/http.md as the suite reads it: each row is a case, with the status that it promises. The document is the
 * specification; the case tables beside this file only hold the bytes that put it to the test.
 */
import { readFileSync } from 'node:fs'

export type Row = {
  id: string
  title: string
  /** 0 where the router gives no answer. */
  status: number
  /** Of the problem that the router answers; empty when it is the cell that answers. */
  code: string
}

export const DOCUMENT = new URL('../../../../docs/http.md', import.meta.url)

/** The tables of the document by the heading above them. */
export function readSpecification(): Map<string, Row[]> {
  const sections = new Map<string, Row[]>()
  let rows: Row[] = []
  for (const line of readFileSync(DOCUMENT, 'utf8').split('\n')) {
    const heading = /^## (.+)$/.exec(line)?.[1]
    if (heading) {
      rows = []
      sections.set(heading, rows)
    }
    const cells = line.split('|').map((cell) => cell.trim())
    const id = /^`([a-z0-9-]+)`$/.exec(cells[1] ?? '')?.[1]
    if (id) rows.push(readRow(id, cells))
  }
  return sections
}

function readRow(id: string, [, , title = '', , outcome = '']: string[]): Row {
  const found = /^(?:(\d{3})(?: `([A-Z_]+)`)?|–)$/.exec(outcome)
  if (!found)
    throw new Error(
      `docs/http.md, ${id}: the status is ${JSON.stringify(outcome)}; expected "400 \`CODE\`", "200" or "–"`,
    )
  return { id, title, status: Number(found[1] ?? 0), code: found[2] ?? '' }
}

/** The rows of one section, each with its case. Throws when a row has none, or a case no row. */
export function casesOf<Case>(heading: string, cases: Readonly<Record<string, Case>>): [Row, Case][] {
  const rows = readSpecification().get(heading) ?? []
  const documented = new Set(rows.map(({ id }) => id))
  if (documented.size !== rows.length) throw new Error(`docs/http.md, "${heading}": an id is there twice`)
  for (const id of Object.keys(cases)) {
    if (!documented.has(id)) throw new Error(`the case ${id} has no row in docs/http.md, "${heading}"`)
  }
  return rows.map((row) => {
    const found = cases[row.id]
    if (found === undefined)
      throw new Error(`docs/http.md, "${heading}": the row ${row.id} has no case that tests it`)
    return [row, found]
  })
}
