/** Fleet file text → a typed fleet file, or every problem with its path and, for broken YAML, its line. */
import { LineCounter, parseDocument } from 'yaml'
import { type Parsed, PROBLEMS_MAX, parsed, problem } from '../problem.ts'
import { parseWith } from '../schema/index.ts'
import { checkFleetFile } from './rules.ts'
import { type FleetFile, fleetFileShape } from './schema.ts'

/** A fleet file is written by hand; a megabyte is a mistake or an attack. */
export const FLEET_FILE_BYTES_MAX = 1_048_576

export function parseFleetFile(text: string): Parsed<FleetFile> {
  if (text.length > FLEET_FILE_BYTES_MAX) {
    return {
      ok: false,
      problems: [
        problem(
          'TOO_LARGE',
          '',
          `the file has ${text.length} characters; expected at most ${FLEET_FILE_BYTES_MAX}`,
        ),
      ],
    }
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  if (document.errors.length > 0) {
    return {
      ok: false,
      problems: document.errors.slice(0, PROBLEMS_MAX).map((error) => {
        const { line, col } = lines.linePos(error.pos[0])
        return problem('INVALID_YAML', '', `line ${line}, column ${col}: ${error.message}`)
      }),
    }
  }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    return {
      ok: false,
      problems: [problem('INVALID_YAML', '', `the YAML cannot be resolved: ${(error as Error).message}`)],
    }
  }
  return parseFleet(value)
}

/** The same for a value that is parsed already (the control plane stores the fleet as JSON). */
export function parseFleet(value: unknown): Parsed<FleetFile> {
  const shape = parseWith(fleetFileShape, value)
  if (!shape.ok) return shape
  const problems = checkFleetFile(shape.value)
  return problems.length > 0 ? { ok: false, problems } : parsed(shape.value)
}
