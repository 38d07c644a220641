import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fleetText, makeFolder } from '../testing.ts'
import { readFleetFile } from './fleet-file.ts'

const SLO = `apiVersion: openslo/v1
kind: SLO
metadata: { name: answers }
spec:
  service: shop
  indicator:
    spec:
      ratioMetric:
        good: { metricSource: { type: cellplane, spec: { requests: good } } }
        total: { metricSource: { type: cellplane, spec: { requests: all } } }
  timeWindow: [{ duration: 7d, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ target: 0.995 }]
`

test('objectives of a file beside the fleet file take the place of inline ones, and what is wrong names the file', async (t) => {
  const folder = await makeFolder(t)
  const path = join(folder, 'cellplane.yaml')
  await writeFile(path, fleetText('cells: { count: 3 }\nslo_file: slos.yaml'))
  await assert.rejects(readFleetFile(path), { code: 'SLO_FILE_UNREADABLE' })
  await writeFile(join(folder, 'slos.yaml'), SLO)
  const { fleet } = await readFleetFile(path)
  assert.deepEqual(fleet.slos, [{ name: 'answers', indicator: 'availability', target: 0.995, period: '7d' }])
  assert.equal(fleet.slo_file, undefined)
  await writeFile(join(folder, 'slos.yaml'), SLO.replace('7d', '90d'))
  await assert.rejects(readFleetFile(path), {
    code: 'SLO_FILE_INVALID',
    message: /slos\.yaml has 1 problem/,
  })
})
