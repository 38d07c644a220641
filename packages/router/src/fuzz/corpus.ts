/**
 * The corpus: texts that are kept because they once broke something, or stand for a way in which parsers break. One file
 * a class in `corpus/`, each with its cases as readable pieces, in JSON, Latin-1. They are run first, with the verdict
 * that the router must give, and then mutated.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Kind, Verdict } from './cases.ts'

export type CorpusCase = { name: string; verdict: Verdict; text: readonly string[] }
export type CorpusFile = { title: string; kind: Kind; cases: CorpusCase[] }

const FOLDER = fileURLToPath(new URL('./corpus', import.meta.url))

export function readCorpus(): Map<string, CorpusFile> {
  const files = globSync('*.json', { cwd: FOLDER }).sort()
  return new Map(
    files.map((file) => [
      basename(file, '.json'),
      JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as CorpusFile,
    ]),
  )
}

export function textsOf(corpus: ReadonlyMap<string, CorpusFile>, kind: Kind): string[] {
  return [...corpus.values()]
    .filter((file) => file.kind === kind)
    .flatMap(({ cases }) => cases.map(({ text }) => text.join('')))
}

/** Adds a case to `found-requests.json` or `found-answers.json`: to be named and put in its class by whoever fixes it. */
export function saveCase(kind: Kind, found: { name: string; verdict: Verdict; text: string }): void {
  const id = `found-${kind}`
  const file = readCorpus().get(id) ?? { title: `Found by the fuzzer: ${kind}`, kind, cases: [] }
  file.cases.push({ name: found.name, verdict: found.verdict, text: pieces(found.text) })
  writeFileSync(join(FOLDER, `${id}.json`), `${JSON.stringify(file, null, 2)}\n`)
}

/** One line a piece, with its line end. */
function pieces(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+/g) ?? []
}
