/**
 * JSON Schema (draft 2020-12), printed from the schemas that parse. Apart from them, because only the control plane's
 * OpenAPI document and the generator of `schemas/` need it: no router loads it.
 */
import { type ConversionConfig, type JsonSchema, toJsonSchema } from '@valibot/to-json-schema'
import type { GenericSchema, MetadataAction } from 'valibot'
import { fleetFileShape } from './fleet-file/schema.ts'

/** What JSON Schema has no words for. Any other action that cannot be printed throws, so that none is lost unseen. */
const NOT_PRINTED = ['check', 'finite', 'PARTITION_KEY_INVALID', 'INVALID_FORMAT']

/** For editors. */
export function fleetFileJsonSchema(): Record<string, unknown> {
  return {
    title: 'cellplane fleet file',
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...jsonSchemaOf(fleetFileShape),
  }
}

/**
 * A schema whose metadata names an `id` is put into `components` under it, and referred to as OpenAPI does. What has a
 * default may be left out, so the same text describes what is read and what is answered.
 */
export function jsonSchemaOf(
  schema: GenericSchema,
  components: Record<string, unknown> = {},
): Record<string, unknown> {
  const config: ConversionConfig = {
    target: 'draft-2020-12',
    // A number in a query is printed as the number that it is read as.
    typeMode: 'output',
    ignoreActions: NOT_PRINTED,
    overrideSchema: ({ jsonSchema }) => withoutEmptyList(jsonSchema),
    overrideAction({ valibotAction, jsonSchema }) {
      // As limits, the largest and smallest whole numbers of JavaScript say nothing.
      if (valibotAction.type === 'safe_integer') return { type: 'integer' }
      const id = idOf(valibotAction)
      if (id === undefined) return undefined
      const { id: _, ...component } = jsonSchema as JsonSchema & { id: string }
      components[id] = component
      return { $ref: `#/components/schemas/${id}` }
    },
  }
  const { $schema: _, ...rest } = toJsonSchema(schema, config)
  return rest
}

/** `required: []` says nothing, and an older draft forbids it. */
function withoutEmptyList({ required, ...rest }: JsonSchema): JsonSchema {
  return required?.length ? { ...rest, required } : rest
}

function idOf(action: { type: string }): string | undefined {
  if (action.type !== 'metadata') return undefined
  const { id } = (action as MetadataAction<unknown, { id?: unknown }>).metadata
  return typeof id === 'string' ? id : undefined
}
