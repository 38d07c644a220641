/** The kit in front of a plain node:http request listener. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { CellProcess } from './cell-process.ts'
import type { Answer } from './serving/own-routes.ts'

/** A listener that answers the kit's own paths and hands the rest to `service`. */
export function withOwnRoutes(
  cell: Pick<CellProcess, 'ownRoutes' | 'logger'>,
  service: RequestListener,
): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    cell.ownRoutes(request.method ?? 'GET', path, request.headers).then(
      (answer) => (answer ? write(response, answer, request.method) : service(request, response)),
      (error) => {
        cell.logger.error({ err: error, path }, 'one of the kit’s own paths failed')
        response.writeHead(500).end()
      },
    )
  }
}

function write(response: ServerResponse, { status, headers, body }: Answer, method?: string): void {
  response
    .writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
    .end(method === 'HEAD' ? undefined : body)
}
