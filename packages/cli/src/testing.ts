/** Temporary folders and waiting, for this package's tests. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cellplane-cli-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A fleet file with one component, and what a test adds. */
export function fleetText(more = '', partitionKey = '{ from: header, name: x-tenant }'): string {
  return `format: 1
fleet: shop
kind: stateless
partition_key:
  rules: [${partitionKey}]
components:
  - { name: app, run: python3 app.py, serves: true }
${more || 'cells: { count: 3 }'}
`
}
