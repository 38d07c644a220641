import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RouterFigures } from './evidence.ts'
import {
  planQuarantines,
  type Quarantine,
  type QuarantineInput,
  quarantineByOperator,
  releaseByOperator,
} from './plan.ts'
import { QUARANTINE_POLICY } from './policy.ts'

const NOW = 1_000_000
const { errorsMin, settleMs, sameCrashMs, tenantsMax, memoryMs } = QUARANTINE_POLICY

const quiet: RouterFigures = {
  cells: [0, 1, 2, 3].map((slot) => ({ slot, attempts: 500, errors: 0 })),
  failing: [],
  charged: [],
  costly: [],
}

/** A tenant that fails in cells 0 and 1, `errors` of `attempts`, beside others who fail `othersErrors` times there. */
function failing(tenant: string, errors: number, attempts: number, othersErrors = 0): RouterFigures {
  return {
    ...quiet,
    cells: quiet.cells.map((cell) =>
      cell.slot > 1 ? cell : { ...cell, errors: errors / 2 + othersErrors / 2 },
    ),
    failing: [
      {
        tenant,
        attempts,
        errors,
        cells: [
          { slot: 0, errors: errors / 2 },
          { slot: 1, errors: errors / 2 },
        ],
      },
    ],
  }
}

type Crash = { slot: number; at: number; sentMsBefore?: number }

const charged = (crashes: Record<string, Crash[]>, isSuspended = false): RouterFigures => ({
  ...quiet,
  charged: Object.entries(crashes).map(([tenant, own]) => ({
    tenant,
    attempts: 10,
    isSuspended,
    crashes: own.map((crash) => ({ sentMsBefore: 5, ...crash })),
  })),
})

const plan = (routers: RouterFigures[], more: Partial<QuarantineInput> = {}) =>
  planQuarantines({ current: [], routers, tenantCount: 200, probationMs: null, now: NOW, ...more })

const inQuarantine = ({ quarantines }: { quarantines: Quarantine[] }) =>
  quarantines.filter(({ releasedAt }) => releasedAt === null).map(({ tenant }) => tenant)

test('a tenant that fails in all its cells, where others do not, is put into quarantine', () => {
  const { quarantines, changes, frozen } = plan([failing('bad', 40, 50, 2)])
  assert.deepEqual([quarantines[0]!.tenant, quarantines[0]!.rule], ['bad', 'errors'])
  assert.match(changes[0]!.reason, /^40 of its 50 requests failed within 10 s, in 2 of its cells/)
  assert.deepEqual(frozen, [])
})

test('what no router sees enough of is seen by all of them together', () => {
  const half = failing('bad', errorsMin / 2, errorsMin / 2)
  assert.deepEqual(inQuarantine(plan([half])), [])
  assert.deepEqual(inQuarantine(plan([half, half])), ['bad'])
})

test('a tenant most of whose requests succeed stays', () => {
  assert.deepEqual(inQuarantine(plan([failing('half bad', 40, 81)])), [])
})

test('in a cell that fails everybody no tenant is accused, however large it is', () => {
  assert.deepEqual(inQuarantine(plan([failing('large', 300, 400, 290)])), [])
  // Others fail in one of five attempts there.
  assert.deepEqual(inQuarantine(plan([failing('large', 300, 400, 120)])), [])
})

test('alone in its cells it is accused when it fails in two of them, and not in one', () => {
  const alone = (slots: number[]): RouterFigures => ({
    cells: slots.map((slot) => ({ slot, attempts: 30, errors: 30 })),
    failing: [
      {
        tenant: 'bad',
        attempts: 30 * slots.length,
        errors: 30 * slots.length,
        cells: slots.map((slot) => ({ slot, errors: 30 })),
      },
    ],
    charged: [],
    costly: [],
  })
  assert.deepEqual(inQuarantine(plan([alone([0])])), [])
  // A share of the traffic beyond the limit freezes the rule, so there is other traffic elsewhere.
  const elsewhere = { ...quiet, cells: [{ slot: 9, attempts: 1_000, errors: 0 }] }
  assert.deepEqual(inQuarantine(plan([alone([0, 1]), elsewhere])), ['bad'])
})

test('a tenant under way at two crashes, of which two routers saw one each, is put into quarantine', () => {
  const first = charged({ poison: [{ slot: 0, at: NOW - 9_000 }], neighbour: [{ slot: 0, at: NOW - 9_000 }] })
  const second = charged({ poison: [{ slot: 1, at: NOW - 2_000 }], other: [{ slot: 1, at: NOW - 2_000 }] })
  assert.deepEqual(inQuarantine(plan([first])), [])
  const { changes } = plan([first, second])
  assert.deepEqual(changes, [
    {
      tenant: 'poison',
      action: 'quarantine',
      rule: 'crashes',
      reason: 'its requests were under way at 2 crashes of cells',
    },
  ])
})

test('one crash that two routers saw is one', () => {
  const seenBy = (late: number) => charged({ poison: [{ slot: 0, at: NOW - 9_000 + late }] })
  assert.deepEqual(inQuarantine(plan([seenBy(0), seenBy(sameCrashMs)])), [])
})

test('when a host goes with many cells, nobody who was under way there is blamed', () => {
  const crashes = (count: number) =>
    Array.from({ length: count }, (_, slot) => ({ slot, at: NOW - 5_000 + 100 * slot }))
  assert.deepEqual(inQuarantine(plan([charged({ busy: crashes(5) })])), [])
  assert.deepEqual(inQuarantine(plan([charged({ poison: crashes(4) })])), ['poison'])
})

test('of those under way at the same crashes it is the one that sent last, whoever a router suspended', () => {
  const at = [NOW - 9_000, NOW - 2_000]
  const crashes = (sentMsBefore: number) => at.map((time, slot) => ({ slot, at: time, sentMsBefore }))
  const withPoison = charged({ poison: crashes(1) })
  const without = charged({ innocent: crashes(30) }, true)
  const { quarantines } = plan([without, withPoison])
  assert.deepEqual(inQuarantine({ quarantines }), ['poison'])
  // Nor is it blamed later, when the other router has forgotten or is gone.
  assert.deepEqual(inQuarantine(plan([without], { current: quarantines, now: NOW + 1_000 })), ['poison'])
})

test('a rule that wants more than its limits is frozen, says so, and keeps whom it has', () => {
  const many = Array.from({ length: tenantsMax + 1 }, (_, i) => failing(`t${i}`, 40, 40))
  const spread = many.map((one, i) => ({
    ...one,
    // Each in two cells of its own.
    cells: [
      ...quiet.cells,
      { slot: 10 + i, attempts: 500, errors: 20 },
      { slot: 50 + i, attempts: 500, errors: 20 },
    ],
    failing: one.failing.map((it) => ({
      ...it,
      cells: [
        { slot: 10 + i, errors: 20 },
        { slot: 50 + i, errors: 20 },
      ],
    })),
  }))
  const known = quarantineByOperator(undefined, 'known', 'a hunch', NOW - 1)
  const frozen = plan(spread, { tenantCount: 10_000, current: [known] })
  assert.deepEqual(inQuarantine(frozen), ['known'])
  assert.equal(frozen.frozen[0]!.rule, 'errors')
  assert.match(
    frozen.frozen[0]!.reason,
    /^it would put 17 tenants \("t0", "t1", "t2", …\) into quarantine beside 0, .* may hold 16 of 10000/,
  )
  assert.equal(inQuarantine(plan(spread.slice(1), { tenantCount: 10_000 })).length, tenantsMax)
  // Five in a hundred, and of few tenants one.
  assert.deepEqual(inQuarantine(plan(spread.slice(0, 2), { tenantCount: 39 })), [])
  assert.deepEqual(inQuarantine(plan(spread.slice(0, 1), { tenantCount: 2 })), ['t0'])
})

test('a tenant that makes too much of the traffic is left to the operator', () => {
  const { frozen } = plan([failing('huge', 600, 600)])
  assert.match(frozen[0]!.reason, /^with one tenant \("huge"\) 30 % of all traffic would be in quarantine/)
})

test('without probation it stays until an operator releases it, and what was before does not bring it back', () => {
  const figures = [failing('bad', 40, 50)]
  const { quarantines } = plan(figures)
  const later = plan([quiet], { current: quarantines, now: NOW + 1e9 })
  assert.deepEqual(inQuarantine(later), ['bad'])
  const current = [releaseByOperator(quarantines[0]!, NOW)]
  assert.deepEqual(inQuarantine(plan(figures, { current, now: NOW + settleMs - 1 })), [])
  assert.deepEqual(inQuarantine(plan(figures, { current, now: NOW + settleMs })), ['bad'])
  assert.deepEqual(plan([], { current, now: NOW + memoryMs }).quarantines, [])
})

test('on probation it is let out when it is quiet, and is in for twice the time when it is not', () => {
  const figures = [failing('bad', 40, 50)]
  const first = plan(figures, { probationMs: 60_000 })
  assert.equal(first.quarantines[0]!.until, NOW + 60_000)
  const due = { probationMs: 60_000, now: NOW + 60_000 }
  assert.deepEqual(inQuarantine(plan([failing('bad', 10, 40)], { ...due, current: first.quarantines })), [
    'bad',
  ])
  const out = plan([quiet], { ...due, current: first.quarantines })
  assert.deepEqual([inQuarantine(out), out.changes[0]!.action], [[], 'release'])
  const now = NOW + 60_000 + settleMs
  const again = plan(figures, { probationMs: 60_000, now, current: out.quarantines })
  assert.deepEqual([again.quarantines[0]!.until, again.quarantines[0]!.times], [now + 120_000, 2])
})

test('automation never holds more than its limits, and never touches whom an operator put there', () => {
  const tenant = fc.nat({ max: 40 }).map((i) => `t${i}`)
  const figures = fc.record({ tenant, errors: fc.nat({ max: 60 }), attempts: fc.nat({ max: 80 }) })
  fc.assert(
    fc.property(
      fc.array(fc.array(figures, { maxLength: 8 }), { maxLength: 12 }),
      fc.nat({ max: 400 }),
      (steps, tenantCount) => {
        const byHand = quarantineByOperator(undefined, 'by hand', 'a hunch', 0)
        let current: Quarantine[] = [byHand]
        for (const [i, step] of steps.entries()) {
          const routers = step.map((one) =>
            failing(one.tenant, 2 * one.errors, 2 * one.errors + one.attempts),
          )
          current = plan(routers, {
            current,
            tenantCount,
            probationMs: 20_000,
            now: NOW + i * 7_000,
          }).quarantines
          const held = inQuarantine({ quarantines: current })
          assert.ok(held.includes('by hand'))
          assert.ok(held.length - 1 <= Math.max(1, Math.min(tenantsMax, tenantCount * 0.05)))
          assert.equal(new Set(current.map((one) => one.tenant)).size, current.length)
        }
      },
    ),
  )
})
