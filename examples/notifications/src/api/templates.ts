/**
 * /v1/templates/{sha256}: content-addressed, so that a template means the same in every cell, can be uploaded to any of them at
 * any time, and needs no synchronisation between them.
 */
import { createHash } from 'node:crypto'
import type { CellEnv } from '@cellplane/cell/hono'
import { Hono } from 'hono'
import { SHA256, templateSchema } from '../notification/send-request.ts'
import type { Database } from '../store/database.ts'
import { getTemplate, putTemplate } from '../store/templates.ts'
import { parseJson, readBody } from './body.ts'
import { refuse } from './problems.ts'

export function templateRoutes(database: Database): Hono<CellEnv> {
  const routes = new Hono<CellEnv>()

  routes.put('/:sha256', async (c) => {
    const name = nameOf(c.req.param('sha256'))
    const content = await readBody(c)
    const found = createHash('sha256').update(content).digest('hex')
    if (found !== name) {
      throw refuse(
        'INVALID_REQUEST',
        `the content has the SHA-256 ${found}, not ${name}; the name is the digest of the exact bytes`,
      )
    }
    parseJson(content, templateSchema)
    await putTemplate(database, c.var.admission.tenant, name, content)
    return c.body(null, 204)
  })

  routes.get('/:sha256', async (c) => {
    const content = await getTemplate(database, c.var.admission.tenant, nameOf(c.req.param('sha256')))
    if (!content) throw refuse('NOT_FOUND', 'this cell has no such template of yours')
    return c.body(content, 200, { 'content-type': 'application/json' })
  })

  return routes
}

function nameOf(sha256: string): string {
  if (SHA256.test(sha256)) return sha256
  throw refuse('INVALID_REQUEST', 'a template is named by the SHA-256 of its content, 64 hexadecimal digits')
}
