/**
 * Objectives as OpenSLO v1 documents (openslo.com): the same that a fleet file says inline, for teams that keep all of their
 * objectives in one form. Of that form, what means something here is read, and the rest refused rather than ignored.
 *
 * An indicator is a ratio whose metric source is of the type `cellplane`. It names requests, as routers count them:
 *
 *     good:  { metricSource: { type: cellplane, spec: { requests: good } } }              answered without a 5xx
 *     good:  { metricSource: { type: cellplane, spec: { requests: within, ms: 500 } } }   answered in time
 *     good:  { metricSource: { type: cellplane, spec: { requests: below, share: 0.9 } } } found the cell at most so full
 *     total: { metricSource: { type: cellplane, spec: { requests: all } } }
 */
import * as v from 'valibot'
import { LineCounter, parseAllDocuments } from 'yaml'
import { type Parsed, type Problem, parsed, problem } from '../problem.ts'
import { list, parseWith, record, strictObject, text } from '../schema/index.ts'
import { SLOS_MAX, type Slo, sloSchema } from '../slo.ts'

/** As long as a fleet file may be would be too long for eight objectives. */
export const OPEN_SLO_BYTES_MAX = 65_536

const words = v.optional(text(0, 1024))
const metadataSchema = strictObject({
  name: v.string(),
  displayName: words,
  labels: v.optional(record(v.string(), v.unknown())),
  annotations: v.optional(record(v.string(), v.string())),
})
const metric = <const S extends v.GenericSchema>(spec: S) =>
  strictObject({ metricSource: strictObject({ type: v.literal('cellplane'), spec }) })

const goodRequestsSchema = v.variant('requests', [
  strictObject({ requests: v.literal('good') }),
  strictObject({ requests: v.literal('within'), ms: v.number() }),
  strictObject({ requests: v.literal('below'), share: v.number() }),
])
type GoodRequests = v.InferOutput<typeof goodRequestsSchema>

const documentSchema = strictObject({
  apiVersion: v.literal('openslo/v1'),
  kind: v.literal('SLO'),
  metadata: metadataSchema,
  spec: strictObject({
    description: words,
    service: text(1, 256),
    indicator: strictObject({
      metadata: v.optional(metadataSchema),
      spec: strictObject({
        description: words,
        ratioMetric: strictObject({
          counter: v.optional(v.boolean()),
          good: metric(goodRequestsSchema),
          total: metric(strictObject({ requests: v.literal('all') })),
        }),
      }),
    }),
    timeWindow: list(strictObject({ duration: v.string(), isRolling: v.literal(true) }), 1, 1),
    budgetingMethod: v.literal('Occurrences'),
    objectives: list(strictObject({ displayName: words, target: v.number() }), 1, 1),
  }),
})

/** The text of a YAML file with a document for each objective. Paths begin with the document's number, from 0. */
export function parseOpenSlo(source: string): Parsed<Slo[]> {
  if (source.length > OPEN_SLO_BYTES_MAX) {
    const why = `the file has ${source.length} characters; expected at most ${OPEN_SLO_BYTES_MAX}`
    return { ok: false, problems: [problem('TOO_LARGE', '', why)] }
  }
  const lineCounter = new LineCounter()
  const read = parseAllDocuments(source, { lineCounter, prettyErrors: false, uniqueKeys: true })
  const documents = Array.isArray(read) ? read : []
  if (documents.length === 0 || documents.length > SLOS_MAX) {
    const why = `found ${documents.length} documents; expected from 1 to ${SLOS_MAX}`
    return { ok: false, problems: [problem('INVALID_VALUE', '', why)] }
  }
  const slos: Slo[] = []
  const problems: Problem[] = []
  for (const [i, document] of documents.entries()) {
    const one = document.errors[0]
      ? { ok: false as const, problems: [yamlProblem(document.errors[0], lineCounter)] }
      : readDocument(document.toJS({ maxAliasCount: 100 }))
    if (one.ok) slos.push(one.value)
    else problems.push(...one.problems.map((found) => ({ ...found, path: under(`[${i}]`, found.path) })))
  }
  return problems.length > 0 ? { ok: false, problems } : parsed(slos)
}

function readDocument(value: unknown): Parsed<Slo> {
  const document = parseWith(documentSchema, value)
  if (!document.ok) return document
  const { metadata, spec } = document.value
  const { good } = spec.indicator.spec.ratioMetric
  const { spec: requests } = good.metricSource
  const slo = parseWith(sloSchema, {
    name: metadata.name,
    target: spec.objectives[0]!.target,
    period: spec.timeWindow[0]!.duration,
    ...indicatorOf(requests),
  })
  if (slo.ok) return slo
  return { ok: false, problems: slo.problems.map((one) => ({ ...one, path: PLACES[one.path] ?? one.path })) }
}

function indicatorOf(good: GoodRequests): object {
  if (good.requests === 'within') return { indicator: 'latency', threshold_ms: good.ms }
  if (good.requests === 'below') return { indicator: 'saturation', threshold_share: good.share }
  return { indicator: 'availability' }
}

/** Where in an OpenSLO document the fields of an objective stand. */
const PLACES: Readonly<Record<string, string>> = {
  name: 'metadata.name',
  target: 'spec.objectives[0].target',
  period: 'spec.timeWindow[0].duration',
  threshold_ms: 'spec.indicator.spec.ratioMetric.good.metricSource.spec.ms',
  threshold_share: 'spec.indicator.spec.ratioMetric.good.metricSource.spec.share',
}

const under = (place: string, path: string) => (path === '' ? place : `${place}.${path}`)

function yamlProblem(error: { pos: [number, number]; message: string }, lines: LineCounter): Problem {
  const { line, col } = lines.linePos(error.pos[0])
  return problem('INVALID_YAML', '', `line ${line}, column ${col}: ${error.message}`)
}
