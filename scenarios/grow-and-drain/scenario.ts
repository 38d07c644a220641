/** `node scenarios/grow-and-drain/scenario.ts`: a cell joins and another is drained under 100 requests/s. */
import { countAll, present, seconds } from '../present.ts'
import { type GrowResult, growAndDrain } from './run.ts'

await present<GrowResult>({
  title: 'A cell is added from nothing and another one drained, under 100 requests/s',
  fleet: { cells: 4 },
  run: (fleet) => growAndDrain(fleet, { requestsPerSecond: 100, drain: 'cell-001', seed: Date.now() }),
  lines: (result) => [
    ['requests', result.requests],
    ['failures', countAll(result.failures)],
    [`from \`cell add\` until ${result.added} answered tenants`, seconds(result.addedInMs)],
    ['from `cell drain` until the cell was drained', seconds(result.drainedInMs)],
    ['requests that the new cell served', result.servedByAdded],
  ],
  holds: (result) => countAll(result.failures) === 0,
})
