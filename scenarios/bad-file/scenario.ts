/** `node scenarios/bad-file/scenario.ts`: documents that are empty, corrupt, oversized or wrong, and a publisher gone mad. */
import { flag, readFlags } from '@cellplane/testing/flags'
import { countAll, report } from '../present.ts'
import { isUnnoticed, ROUTERS } from './claims.ts'
import { publishBadFiles } from './run.ts'

const values = readFlags({
  command: 'node scenarios/bad-file/scenario.ts',
  about: 'The control plane publishes oversized, empty and corrupt documents.',
  flags: { json: flag('print JSON') },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const result = await publishBadFiles({ cells: 6, tenants: 120, requestsPerSecond: 100, seed: Date.now() })
const documents = Object.values(result.refusedBy)
report({
  title: 'The control plane publishes bad documents, then nothing but noise; two routers follow it',
  result,
  isJson: values.json,
  lines: [
    ['requests', result.requests],
    ['failures', countAll(result.failures)],
    ['requests that went to another cell than before', result.moved],
    ['bad documents', documents.length],
    ['of them refused by both routers', documents.filter((routers) => routers === ROUTERS).length],
    ['times that routers asked while only noise came', result.askedMad],
    [
      `of ${result.freshRouter.asked} tenants served right by a router that started meanwhile`,
      result.freshRouter.right,
    ],
    ['version of the base, before and after', `${result.versionBefore}, ${result.versionAfter}`],
  ],
  remark: `Of an overlay that marks every cell: ${result.marksIgnoredBecause}`,
  holds: isUnnoticed(result),
})
