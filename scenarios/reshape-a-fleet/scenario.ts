/** `node scenarios/reshape-a-fleet/scenario.ts`: every command that changes placement, under 100 requests/s. */
import { countAll, present, seconds } from '../present.ts'
import { aPlanMoved, movedAsSaid, nothingIsLost } from './claims.ts'
import { type ReshapeResult, reshape } from './run.ts'

/** Of four cells two are in the first: too many to leave at once. */
const ZONES = ['a', 'b', 'c']

const percent = (share: number) => `${(share * 100).toFixed(1)} %`

await present<ReshapeResult>({
  title: 'A fleet of three zones is given another shape, under 100 requests/s of 200 tenants',
  fleet: { cells: 4, zones: ZONES },
  run: (fleet) => reshape(fleet, { requestsPerSecond: 100, seed: Date.now() }),
  lines: (result) => [
    ['requests', result.requests],
    ['failures', countAll(result.failures)],
    ...result.steps.flatMap(({ command, said, moved, shareSaid, shareMoved, tookMs }) => [
      [`\`${command}\``, seconds(tookMs)] as const,
      [`  places moved; ${said.places} were said`, moved.places] as const,
      [
        `  of the traffic got another cell${shareSaid === null ? '' : `; ${percent(shareSaid.share)} was said`}`,
        percent(shareMoved.share),
      ] as const,
    ]),
    ['notifications accepted meanwhile', result.accepted],
    ['of them found by their ids at the end', result.readBack['200'] ?? 0],
  ],
  holds: (result) =>
    countAll(result.failures) === 0 &&
    result.steps.every(movedAsSaid) &&
    aPlanMoved(result) &&
    nothingIsLost(result),
})
