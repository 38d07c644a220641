/** Writes what is generated from the code; the tidy test compares. Run by `npm run generate`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fleetFileJsonSchema } from '@cellplane/contract/fleet-file'

mkdirSync('schemas', { recursive: true })
writeFileSync('schemas/cellplane.schema.json', `${JSON.stringify(fleetFileJsonSchema(), null, 2)}\n`)
