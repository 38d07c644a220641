/**
 * Whether a schema would give a value back as it is: no problem in it, nothing left out, nothing added.
 *
 * Valibot makes a dataset and a result for every value, and a copy of every object. For the 100,000 overrides of a large
 * topology that is 190 ms, and their garbage, to find that each is what it should be. A test that only says yes takes 40.
 * So `longList` asks it first, and what it does not say yes to goes through the schema, which knows what to say about it.
 *
 * The test is made of the schema itself, so the two cannot drift apart. A schema that changes what it gets (by a default, by a
 * transformation), or that has a part of a kind that is not known here, has none, and every value goes through it.
 */
import type * as v from 'valibot'

export type AsItIs = (value: unknown) => boolean

type Part = { kind: string; type: string; '~run': Run }
type Run = (
  dataset: { typed: true; value: unknown; issues?: unknown },
  config: object,
) => { issues?: unknown }

/** What some kinds of schema have beside their type. */
type Schema = v.GenericSchema & {
  pipe?: readonly Part[]
  item?: Schema
  entries?: Record<string, Schema>
  options?: readonly unknown[]
  literal?: unknown
  wrapped?: Schema
  default?: unknown
  requirement?: unknown
}

/** Undefined when the schema has none. */
export function asItIs(schema: v.GenericSchema): AsItIs | undefined {
  const { pipe } = schema as Schema
  if (!pipe) return testOf(schema as Schema)
  const parts = pipe.filter(({ kind }) => kind !== 'metadata')
  return allOf(parts.map((part) => (part.kind === 'schema' ? asItIs(part as never) : testOfRule(part))))
}

function allOf(tests: readonly (AsItIs | undefined)[]): AsItIs | undefined {
  const known = tests.filter((test) => test !== undefined)
  if (known.length < tests.length) return undefined
  const [first, second, third] = known
  // Called a million times for one document: a closure for each number of tests is twice as fast as a loop over them.
  if (!first || known.length > 3) return (value) => known.every((test) => test(value))
  if (!second) return first
  if (!third) return (value) => first(value) && second(value)
  return (value) => first(value) && second(value) && third(value)
}

function testOf({ type, item, entries, options, literal }: Schema): AsItIs | undefined {
  switch (type) {
    case 'string':
      return (value) => typeof value === 'string'
    case 'number':
      return (value) => typeof value === 'number' && !Number.isNaN(value)
    case 'literal':
      return (value) => value === literal
    case 'picklist':
      return (value) => options!.includes(value)
    case 'array':
      return testOfList(item!)
    case 'strict_object':
      return testOfObject(entries!)
    default:
      return undefined
  }
}

function testOfRule(part: Part): AsItIs | undefined {
  if (part.kind !== 'validation') return undefined
  const limit = (part as unknown as { requirement: number }).requirement
  // The commonest by themselves, which takes a third of the time; the others in their own way.
  switch (part.type) {
    case 'min_value':
      return (value) => (value as number) >= limit
    case 'max_value':
      return (value) => (value as number) <= limit
    case 'min_length':
      return (value) => (value as string).length >= limit
    case 'max_length':
      return (value) => (value as string).length <= limit
    case 'safe_integer':
      return Number.isSafeInteger
    default:
      return (value) => part['~run']({ typed: true, value }, {}).issues === undefined
  }
}

function testOfList(item: Schema): AsItIs | undefined {
  const test = asItIs(item)
  if (!test) return undefined
  return (value) => {
    if (!Array.isArray(value)) return false
    for (let i = 0; i < value.length; i++) if (!test(value[i])) return false
    return true
  }
}

function testOfObject(entries: Record<string, Schema>): AsItIs | undefined {
  const tests = new Map<string, AsItIs>()
  let requiredCount = 0
  for (const [key, entry] of Object.entries(entries)) {
    const isOptional = entry.type === 'optional'
    const test = isOptional ? entry.default === undefined && asItIs(entry.wrapped!) : asItIs(entry)
    if (!test) return undefined
    tests.set(key, test)
    if (!isOptional) requiredCount++
  }
  const isRequired = (key: string) => entries[key]!.type !== 'optional'
  const hasOptional = requiredCount < tests.size
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    const fields = value as Record<string, unknown>
    const keys = Object.keys(value)
    let missing = requiredCount
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      if (!tests.get(key)?.(fields[key])) return false
      if (!hasOptional || isRequired(key)) missing--
    }
    return missing === 0
  }
}
