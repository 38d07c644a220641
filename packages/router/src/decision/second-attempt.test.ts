import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createRetryBudget, RETRY_BUDGET_POLICY } from '@cellplane/core/data-plane'
import type { Cell } from '../cells/cell.ts'
import { takeRetry } from './second-attempt.ts'
import { createTenants } from './tenants.ts'

const NOW = 1_000_000
/** What a budget gives before any request was counted. */
const RESERVE = (RETRY_BUDGET_POLICY.reservePerSecond * RETRY_BUDGET_POLICY.windowMs) / 1000

const failedCell = () => ({ retryBudget: createRetryBudget() }) as Cell

/** How many of so many second attempts are let through. */
const taken = (count: number, take: () => boolean) =>
  Array.from({ length: count }, take).filter(Boolean).length

describe('a second attempt', () => {
  test('that the cell’s budget refuses takes nothing of the tenant’s', () => {
    const tenants = createTenants(2)
    const [tenant, other] = [tenants.of('tenant'), tenants.of('other')]
    const [spent, whole] = [failedCell(), failedCell()]
    assert.equal(
      taken(2 * RESERVE, () => takeRetry(other, spent, NOW)),
      RESERVE,
    )
    assert.equal(
      taken(RESERVE, () => takeRetry(tenant, spent, NOW)),
      0,
    )
    assert.equal(
      taken(2 * RESERVE, () => takeRetry(tenant, whole, NOW)),
      RESERVE,
    )
  })

  test('that the tenant’s budget refuses takes nothing of the cell’s', () => {
    const tenants = createTenants(2)
    const [tenant, other] = [tenants.of('tenant'), tenants.of('other')]
    const [first, second] = [failedCell(), failedCell()]
    assert.equal(
      taken(2 * RESERVE, () => takeRetry(tenant, first, NOW)),
      RESERVE,
    )
    assert.equal(
      taken(RESERVE, () => takeRetry(tenant, second, NOW)),
      0,
    )
    assert.equal(
      taken(2 * RESERVE, () => takeRetry(other, second, NOW)),
      RESERVE,
    )
  })
})
