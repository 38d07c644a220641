/** The OpenAPI 3.1 document, printed from the operations' table. */
import { PROBLEM_CONTENT_TYPE, problemDetailsSchema } from '@cellplane/contract'
import { OPERATIONS, type Operation, TOPOLOGY_EVENTS_PATH } from '@cellplane/contract/api'
import { OpenAPIHono, z } from '@hono/zod-openapi'

const PROBLEM = {
  description: 'What is wrong, as RFC 9457 problem details',
  content: { [PROBLEM_CONTENT_TYPE]: { schema: problemDetailsSchema } },
}

export function openApiDocument(): object {
  const app = new OpenAPIHono()
  const { registerPath, registerComponent } = bound(app)
  registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' })
  for (const [name, operation] of Object.entries<Operation>(OPERATIONS)) {
    registerPath({
      method: operation.method,
      path: operation.path,
      operationId: name,
      summary: operation.summary,
      description: `For the roles ${operation.roles.join(', ')}.`,
      security: [{ token: [] }],
      request: {
        ...(operation.params ? { params: operation.params } : {}),
        ...(operation.query ? { query: operation.query } : {}),
        ...(operation.body
          ? { body: { required: true, content: { 'application/json': { schema: operation.body } } } }
          : {}),
      },
      responses: {
        ...(operation.answer
          ? { 200: { description: 'Done', content: { 'application/json': { schema: operation.answer } } } }
          : { 204: { description: 'Done' } }),
        default: PROBLEM,
      },
    })
  }
  registerPath({
    method: 'get',
    path: TOPOLOGY_EVENTS_PATH,
    operationId: 'followTopology',
    summary: 'Server-sent events of new documents: event `base` or `overlay`, data {epoch, version}',
    security: [{ token: [] }],
    responses: {
      200: { description: 'A stream', content: { 'text/event-stream': { schema: z.string() } } },
      default: PROBLEM,
    },
  })
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'cellplane control plane', version: '1' },
  })
}

function bound({ openAPIRegistry: registry }: OpenAPIHono) {
  return {
    registerPath: registry.registerPath.bind(registry),
    registerComponent: registry.registerComponent.bind(registry),
  }
}
