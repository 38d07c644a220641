/** Writes what is generated from the code; tests compare. Run by `npm run generate`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fleetFileJsonSchema } from '@cellplane/contract/json-schema'
import { buildRoutingVectors, type RoutingVectors } from '@cellplane/core/routing-vectors'

mkdirSync('schemas', { recursive: true })
writeFileSync('schemas/cellplane.schema.json', `${JSON.stringify(fleetFileJsonSchema(), null, 2)}\n`)
writeFileSync('packages/core/routing-vectors.json', formatVectors(buildRoutingVectors()))

/** One vector a line, so that a difference shows which one it is. */
function formatVectors({ about, hash, fleets }: RoutingVectors): string {
  const lines = (items: readonly unknown[]) => items.map((item) => `\n${JSON.stringify(item)}`).join(',')
  const fleetTexts = fleets.map(
    ({ name, base, overlay, cases }) =>
      `\n{"name":${JSON.stringify(name)},\n"base":${JSON.stringify(base)},` +
      `\n"overlay":${JSON.stringify(overlay)},\n"cases":[${lines(cases)}\n]}`,
  )
  return `{"about":${JSON.stringify(about)},\n"hash":[${lines(hash)}\n],\n"fleets":[${fleetTexts.join(',')}\n]}\n`
}
