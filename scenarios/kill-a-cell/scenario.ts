/** `node scenarios/kill-a-cell/scenario.ts`: 200 requests/s for 40 s; a cell is killed after 10. */
import { present, seconds } from '../present.ts'
import { type KillResult, killACell } from './run.ts'

await present<KillResult>({
  title: 'A cell is killed with SIGKILL, PostgreSQL and all, under 200 requests/s of 200 tenants',
  fleet: { cells: 4 },
  run: (fleet) =>
    killACell(fleet, {
      cell: 'cell-002',
      requestsPerSecond: 200,
      beforeMs: 10_000,
      afterMs: 30_000,
      seed: Date.now(),
    }),
  lines: (result) => [
    ['requests', result.requests],
    [
      'failures (posts with an Idempotency-Key, lists, reads that another cell holds)',
      result.failures.length,
    ],
    [
      'reads that only the dead cell could answer: named 503 with Retry-After',
      result.namedReads.forTheDeadCell,
    ],
    [`requests of the ${result.elsewhere.tenants} tenants without that cell`, result.elsewhere.requests],
    ['failures among these', result.elsewhere.failures],
    ['notifications accepted', result.accepted],
    ['of them never delivered', result.delivered.missing.length],
    ['until the cell answered again', seconds(result.backAfterMs)],
  ],
  holds: (result) =>
    result.failures.length === 0 &&
    result.elsewhere.failures === 0 &&
    result.delivered.missing.length === 0 &&
    result.backAfterMs < 10_000,
})
