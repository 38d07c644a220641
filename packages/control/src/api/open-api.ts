/** The OpenAPI 3.1 document, printed from the operations' table. */
import { PROBLEM_CONTENT_TYPE, problemDetailsSchema } from '@cellplane/contract'
import { type ObjectSchema, OPERATIONS, type Operation, TOPOLOGY_EVENTS_PATH } from '@cellplane/contract/api'
import { jsonSchemaOf } from '@cellplane/contract/json-schema'
import type { GenericSchema } from 'valibot'

type Json = Record<string, unknown>

export function openApiDocument(): object {
  const schemas: Json = {}
  const content = (type: string, schema: GenericSchema) => ({
    [type]: { schema: jsonSchemaOf(schema, schemas) },
  })
  const failure = {
    description: 'What is wrong, as RFC 9457 problem details',
    content: content(PROBLEM_CONTENT_TYPE, problemDetailsSchema),
  }
  const paths: Record<string, Json> = {}
  for (const [name, operation] of Object.entries<Operation>(OPERATIONS)) {
    const { method, path, summary, roles, params, query, body, answer } = operation
    paths[path] ??= {}
    paths[path][method] = {
      operationId: name,
      summary,
      description: `For the roles ${roles.join(', ')}.`,
      security: [{ token: [] }],
      parameters: [...parametersOf('path', params), ...parametersOf('query', query)],
      ...(body ? { requestBody: { required: true, content: content('application/json', body) } } : {}),
      responses: {
        ...(answer
          ? { 200: { description: 'Done', content: content('application/json', answer) } }
          : { 204: { description: 'Done' } }),
        default: failure,
      },
    }
  }
  paths[TOPOLOGY_EVENTS_PATH] = {
    get: {
      operationId: 'followTopology',
      summary: 'Server-sent events of new documents: event `base` or `overlay`, data {epoch, version}',
      security: [{ token: [] }],
      responses: {
        200: { description: 'A stream', content: { 'text/event-stream': { schema: { type: 'string' } } } },
        default: failure,
      },
    },
  }
  return {
    openapi: '3.1.0',
    info: { title: 'cellplane control plane', version: '1' },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } }, schemas },
    paths,
  }
}

/** Each field of the path or the query is a parameter of its own. */
function parametersOf(place: 'path' | 'query', schema: ObjectSchema | undefined): Json[] {
  if (!schema) return []
  return Object.entries(schema.entries).map(([name, field]) => {
    const { description, ...printed } = jsonSchemaOf(field)
    return {
      name,
      in: place,
      required: field.type !== 'optional',
      ...(description === undefined ? {} : { description }),
      schema: printed,
    }
  })
}
