/**
 * When a tenant is put into quarantine without anybody's asking, and how many may be. The numbers are the rule: docs/quarantine.md
 * tells them.
 */
export type QuarantinePolicy = {
  /** Of a tenant, over all routers, within the routers' window (10 s): fewer say little. */
  errorsMin: number
  /** Failed ones of the tenant's own attempts. */
  failedShareMin: number
  /** One that is in quarantine and fails at least so much is not released by itself. */
  stillFailingShareMin: number
  /** The tenant's part of all errors at the cells where it has errors. */
  cellErrorsShareMin: number
  /** Others' attempts at these cells, for a comparison to be possible. */
  othersAttemptsMin: number
  /** Others may fail there so much; beyond it, it is the cells. */
  othersFailedShareMax: number
  /** Without enough of others to compare with: so many cells at which it fails, each with `errorsAtCellMin`. */
  cellsMin: number
  errorsAtCellMin: number
  /** Crashes of one slot that routers noticed within this time of each other are one. */
  sameCrashMs: number
  /** Within that time more cells crash of one cause that is no tenant: a shard has no more, and a host has. */
  cellsAtOnceMax: number
  /** Crashes older than this are forgotten. Shorter than the routers hold theirs, so that all forget one at once. */
  crashWindowMs: number
  /** See `CrashPolicy`: who of those under way leads. */
  commonMax: number
  leadMin: number
  /** In quarantine by automation at once: this many, this share of the known tenants (one always may), this share of all traffic. */
  tenantsMax: number
  tenantsShareMax: number
  trafficShareMax: number
  /** After a release, what the routers' window still holds from before is no news. */
  settleMs: number
  /** A probation doubles with each quarantine in a row, of which so many are told apart; quiet for the time, the row is over. */
  probationTimesMax: number
  memoryMs: number
}

/**
 * Twenty errors are one second of a tenant with 20 requests a second, and five seconds of one with four. Half of its own
 * attempts: a customer's own bug seldom makes less of its traffic fail, and an overloaded cell fails everybody's. A tenth of
 * others' attempts: with a worse cell, health decides. Five tenants in a hundred and a quarter of the traffic are more than
 * poison pills have ever come to at once, and few enough that a wrong rule is a nuisance and no outage.
 */
export const QUARANTINE_POLICY: QuarantinePolicy = {
  errorsMin: 20,
  failedShareMin: 0.5,
  stillFailingShareMin: 0.25,
  cellErrorsShareMin: 0.5,
  othersAttemptsMin: 20,
  othersFailedShareMax: 0.1,
  cellsMin: 2,
  errorsAtCellMin: 5,
  sameCrashMs: 3_000,
  cellsAtOnceMax: 4,
  crashWindowMs: 100_000,
  commonMax: 4,
  leadMin: 1.5,
  tenantsMax: 16,
  tenantsShareMax: 0.05,
  trafficShareMax: 0.25,
  settleMs: 15_000,
  probationTimesMax: 7,
  memoryMs: 3_600_000,
}
