/** `node scenarios/control-plane-gone/scenario.ts`: a minute without a control plane, in which a cell and a router crash. */
import { countAll, present, seconds } from '../present.ts'
import { type GoneResult, loseTheControlPlane } from './run.ts'

await present<GoneResult>({
  title: 'The control plane is killed for a minute; a cell’s API and a router crash meanwhile',
  fleet: { cells: 4 },
  run: (fleet) =>
    loseTheControlPlane(fleet, {
      requestsPerSecond: 100,
      goneMs: 60_000,
      seed: Date.now(),
      crash: { cell: 'cell-003', component: 'api' },
    }),
  lines: (result) => [
    ['requests', result.requests],
    ['failures', countAll(result.failures)],
    ['until the crashed API answered again', seconds(result.componentBackMs)],
    ['until a new router routed, from its disk', seconds(result.routerReadyMs)],
    ['topology after the return', result.baseAfter === result.baseBefore ? 'the same' : 'CHANGED'],
    ['cells’ states after the return', result.statesAfter === result.statesBefore ? 'the same' : 'CHANGED'],
  ],
  holds: (result) =>
    countAll(result.failures) === 0 &&
    result.baseAfter === result.baseBefore &&
    result.statesAfter === result.statesBefore,
})
