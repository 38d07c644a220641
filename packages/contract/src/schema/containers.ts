/**
 * Lists, objects and records, as JSON and YAML mean them: valibot's own, run in another way.
 *
 * Valibot's objects take a list for an object, name only the first unknown field, and say of a missing field that its key
 * is missing instead of what should stand there. Its lists collect a complaint for each item, which a hostile document
 * could make millions. So the schemas here are valibot's (its types, and what is printed from them as JSON Schema) with
 * a `~run` that all of one kind share: neither a schema nor a parse makes a closure of its own.
 */
import * as v from 'valibot'
import { PROBLEMS_MAX } from '../problem.ts'
import { type AsItIs, asItIs } from './as-it-is.ts'
import { issueOf } from './issue.ts'

/** Unknown fields are problems. */
export const strictObject = <const E extends v.ObjectEntries>(
  entries: E,
): v.StrictObjectSchema<E, undefined> => Object.assign(v.strictObject(entries), { '~run': runObject })

/** Unknown fields are left out of the value: what a newer program says besides is no concern of an older one. */
export const object = <const E extends v.ObjectEntries>(entries: E): v.ObjectSchema<E, undefined> =>
  Object.assign(v.object(entries), { '~run': runObject })

export const record = <const K extends v.GenericSchema<string, string>, const V extends v.GenericSchema>(
  key: K,
  value: V,
): v.RecordSchema<K, V, undefined> => Object.assign(v.record(key, value), { '~run': runRecord })

/** `min` and `max` items, both included. */
export function list<const I extends v.GenericSchema>(
  item: I,
  min = 0,
  max = Number.POSITIVE_INFINITY,
): v.GenericSchema<v.InferInput<I>[], v.InferOutput<I>[]> {
  const items: v.ArraySchema<I, undefined> = Object.assign(v.array(item), { '~run': runList })
  const bounded = max === Number.POSITIVE_INFINITY ? items : v.pipe(items, v.maxLength(max))
  return min === 0 ? bounded : v.pipe(bounded, v.minLength(min))
}

/**
 * A list that may be so long that no item is copied which the schema would give back as it is: it is in the value as it was
 * given, its keys in whatever order they had.
 */
export function longList<const I extends v.GenericSchema>(item: I, max: number) {
  const items: v.ArraySchema<I, undefined> = v.array(item)
  return v.pipe(Object.assign(items, { '~run': runList, asItIs: asItIs(item) }), v.maxLength(max))
}

/** The first option that fits. When none does, the problems of the one that its author most likely meant. */
export const union = <const O extends v.UnionOptions>(options: O): v.UnionSchema<O, undefined> =>
  Object.assign(v.union(options), { '~run': runUnion })

type Dataset = v.UnknownDataset | v.OutputDataset<unknown, v.BaseIssue<unknown>>
type Config = v.Config<v.BaseIssue<unknown>>
type Issues = [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]
type Schema = v.GenericSchema & { default?: unknown }

function runObject(
  this: { type: string; entries: Record<string, Schema> },
  dataset: Dataset,
  config: Config,
) {
  const input = dataset.value
  if (!isMapping(input)) return refused(this.type, input)
  const value: Record<string, unknown> = {}
  let isTyped = true
  let issues: Issues | undefined
  for (const key in this.entries) {
    const schema = this.entries[key]!
    const isGiven = Object.hasOwn(input, key)
    if (!isGiven && schema.type === 'optional' && schema.default === undefined) continue
    const found = isGiven ? input[key] : undefined
    const part = schema['~run']({ value: found }, config)
    if (part.issues) issues = gather(issues, part.issues, placeIn(input, key, found))
    if (!part.typed) isTyped = false
    value[key] = part.value
  }
  if (this.type === 'strict_object') {
    for (const key in input) {
      if (Object.hasOwn(this.entries, key)) continue
      const message = `unknown field "${key}"; remove it or check its spelling`
      issues = gather(issues, [issueOf('UNKNOWN_FIELD', key, message)], placeIn(input, key, input[key]))
      isTyped = false
      if (issues.length >= PROBLEMS_MAX) break
    }
  }
  return resultOf(isTyped, value, issues)
}

function runRecord(this: { key: Schema; value: Schema }, dataset: Dataset, config: Config) {
  const input = dataset.value
  if (!isMapping(input)) return refused('record', input)
  const value: Record<string, unknown> = {}
  let isTyped = true
  let issues: Issues | undefined
  for (const key of Object.keys(input)) {
    const place = placeIn(input, key, input[key])
    // Assigning to `__proto__` would change the value's prototype, and add no field.
    if (key === '__proto__' || this.key['~run']({ value: key }, config).issues) {
      const message = `the key ${JSON.stringify(key)} is not allowed here`
      issues = gather(issues, [issueOf('invalid_key', key, message)], place)
      isTyped = false
    } else {
      const part = this.value['~run']({ value: input[key] }, config)
      if (part.issues) issues = gather(issues, part.issues, place)
      if (!part.typed) isTyped = false
      value[key] = part.value
    }
    if (issues && issues.length >= PROBLEMS_MAX) break
  }
  return resultOf(isTyped, value, issues)
}

function runList(this: { item: Schema; asItIs?: AsItIs | undefined }, dataset: Dataset, config: Config) {
  const input = dataset.value
  if (!Array.isArray(input)) return refused('array', input)
  const value: unknown[] = []
  let isTyped = true
  let issues: Issues | undefined
  for (let i = 0; i < input.length; i++) {
    if (this.asItIs?.(input[i])) {
      value.push(input[i])
      continue
    }
    const part = this.item['~run']({ value: input[i] }, config)
    if (part.issues) {
      issues = gather(issues, part.issues, { type: 'array', origin: 'value', input, key: i, value: input[i] })
    }
    if (!part.typed) isTyped = false
    value.push(part.value)
    if (issues && issues.length >= PROBLEMS_MAX) return resultOf(false, value, issues)
  }
  return resultOf(isTyped, value, issues)
}

function runUnion(this: { options: readonly Schema[] }, dataset: Dataset, config: Config) {
  let best: Result | undefined
  for (const option of this.options) {
    const result = option['~run']({ value: dataset.value }, config)
    if (!result.issues) return result
    if (!best || isCloser(result, best)) best = result
  }
  return best && depthOf(best) > 0 ? best : refused('union', dataset.value)
}

type Result = v.OutputDataset<unknown, v.BaseIssue<unknown>>

/** What failed latest came closest; of two that failed at the same depth, the one with fewer problems. */
function isCloser(result: Result, best: Result): boolean {
  const [depth, bestDepth] = [depthOf(result), depthOf(best)]
  return depth === bestDepth ? (result.issues?.length ?? 0) < (best.issues?.length ?? 0) : depth > bestDepth
}

/** A value of the right type, with only a limit or a pattern against it, came furthest of all. */
const depthOf = ({ typed, issues }: Result): number =>
  typed ? Number.POSITIVE_INFINITY : Math.max(0, ...(issues ?? []).map(({ path }) => path?.length ?? 0))

const isMapping = (input: unknown): input is Record<string, unknown> =>
  typeof input === 'object' && input !== null && !Array.isArray(input)

const placeIn = (input: Record<string, unknown>, key: string, value: unknown): v.ObjectPathItem => ({
  type: 'object',
  origin: 'value',
  input,
  key,
  value,
})

const refused = (type: string, value: unknown) => resultOf(false, value, [issueOf(type, value, '')])

/** The issues of one part are put after those of the parts before it, their paths begun with its place. */
function gather(issues: Issues | undefined, found: Issues, place: v.IssuePathItem): Issues {
  for (const issue of found) {
    if (issue.path) issue.path.unshift(place)
    else Object.assign(issue, { path: [place] })
  }
  if (!issues) return found
  for (const issue of found) issues.push(issue)
  return issues
}

/** The types of the schemas promise what `value` is; here it is only known that `isTyped` says so. */
function resultOf(isTyped: boolean, value: unknown, issues: Issues | undefined) {
  return { typed: isTyped, value, issues } as v.OutputDataset<never, v.BaseIssue<unknown>>
}
