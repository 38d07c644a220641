/**
 * Which tenant's requests crash cells. A crash does not say whose request caused it; it says whose were under way. One
 * crash makes all of these suspects. Who is under way again at the next one is hardly there by accident.
 *
 *     unknown ──(under way at a crash)──▶ suspect ──(at another one, and it leads)──▶ suspended
 *        ▲                                  │ ▲                                          │
 *        └──(the window is over, or it is   │ └──(time is up; one crash stays on it)─────┘
 *            cleared)───────────────────────┘
 *
 * - **suspect**: cleared of a crash when every request that it had under way there was answered elsewhere, as what
 *   crashes one cell crashes the next; and when another tenant turns out to explain that crash.
 * - **leads**: of the tenants of a crash, those with the most crashes on them are compared by their scores, in which a
 *   request that was sent last before a crash weighs most. When many are still to be told apart, the first must lead
 *   clearly, or nobody is suspended: the next crash tells more. One crash suspends one tenant at most, and there is a
 *   limit to how many are suspended at once, so that cells which crash for reasons of their own (an operator's kill, a
 *   host without memory) take nobody along in numbers.
 * - **suspended**: for a time, which begins anew with every crash that it causes meanwhile, and doubles with each
 *   suspension. What suspension means is the router's business. The crash that stays on it afterwards is its probation:
 *   one more within the window suspends it again.
 */
export type CrashPolicy = {
  /** How long a crash stays on a tenant's account. */
  windowMs: number
  suspensionMs: number
  suspensionMsMax: number
  /** Tenants of one crash that are looked at: those that sent last. */
  suspectsMax: number
  /** Tenants with an account; the oldest is forgotten first. */
  accountsMax: number
  /** Up to so many equally suspected tenants, the first of them is suspended. */
  commonMax: number
  /** Beyond that, when its score is so many times the second's. */
  leadMin: number
  suspendedMax: number
}

/**
 * Two minutes: a cell restarts and is trusted again within one. A suspension outlasts the control plane's own way to a
 * quarantine, which sees more than one router does.
 */
export const CRASH_POLICY: CrashPolicy = {
  windowMs: 120_000,
  suspensionMs: 60_000,
  suspensionMsMax: 600_000,
  suspectsMax: 64,
  accountsMax: 1_024,
  commonMax: 4,
  leadMin: 1.5,
  suspendedMax: 16,
}

/** A tenant with requests under way at a crash. */
export type Suspect = {
  tenant: string
  requests: number
  /** How long before the crash the last of them was sent. */
  sentMsBefore?: number
}

export type Suspension = { tenant: string; since: number; until: number; crashes: number }

export type CrashVerdict = {
  /** By which requests are cleared later. */
  crash: number
  /** Who is suspended from now on, or anew. */
  suspended: Suspension | null
}

export type CrashSuspects = {
  /** `suspects`: each tenant once, the one that sent last first. `now` in ms. */
  recordCrash(suspects: readonly Suspect[], now: number): CrashVerdict
  /** One request that a tenant had under way at a crash was answered elsewhere. */
  clearRequest(crash: number, tenant: string): void
  /** Ends suspensions and forgets what is old; returns who is free again. To be called once in a while. */
  tick(now: number): string[]
  isSuspect(tenant: string): boolean
  /** Another set whenever it changes. */
  readonly suspended: ReadonlySet<string>
  readonly suspensions: Suspension[]
  readonly accountCount: number
  /** Those with the most crashes on them, at most `max`, the suspended ones first. */
  charged(max: number): ChargedTenant[]
}

/** A tenant with the crashes that are on its account. */
export type ChargedTenant = {
  tenant: string
  suspension: Suspension | null
  charges: { crash: number; sentMsBefore: number }[]
}

type Charge = { crash: number; at: number; weight: number; requests: number; sentMsBefore: number }

type Account = {
  tenant: string
  charges: Charge[]
  suspension: Suspension | null
  /** Suspensions in a row. */
  suspensionCount: number
}

/** Charges on one account; the newest are kept. More would tell nothing more. */
const CHARGES_MAX = 8

export function createCrashSuspects(policy: CrashPolicy = CRASH_POLICY): CrashSuspects {
  /** The one that was charged longest ago first. */
  const accounts = new Map<string, Account>()
  let suspended: ReadonlySet<string> = new Set()
  let crashes = 0

  function charge(tenant: string, charge: Charge): Account {
    const account = accounts.get(tenant) ?? { tenant, charges: [], suspension: null, suspensionCount: 0 }
    account.charges = [...account.charges.slice(1 - CHARGES_MAX), charge]
    accounts.delete(tenant)
    accounts.set(tenant, account)
    return account
  }

  function forgetOldest(): void {
    for (const account of accounts.values()) {
      if (accounts.size <= policy.accountsMax) return
      if (!account.suspension) accounts.delete(account.tenant)
    }
  }

  function dropOldCharges(now: number): void {
    for (const account of accounts.values()) {
      account.charges = account.charges.filter(({ at }) => now - at < policy.windowMs)
      forgetIfBlank(account)
    }
  }

  function forgetIfBlank(account: Account): void {
    if (account.charges.length === 0 && !account.suspension) accounts.delete(account.tenant)
  }

  function suspend(account: Account, now: number): Suspension | null {
    if (!account.suspension) {
      if (suspended.size >= policy.suspendedMax) return null
      account.suspensionCount++
    }
    const timeMs = Math.min(policy.suspensionMs * 2 ** (account.suspensionCount - 1), policy.suspensionMsMax)
    account.suspension = {
      tenant: account.tenant,
      since: account.suspension?.since ?? now,
      until: now + timeMs,
      crashes: account.charges.length,
    }
    refreshSuspended()
    return account.suspension
  }

  function release(account: Account): void {
    account.suspension = null
    refreshSuspended()
  }

  function refreshSuspended(): void {
    suspended = new Set([...accounts.values()].filter((a) => a.suspension).map((a) => a.tenant))
  }

  /** The crashes on its account are explained by it: they are taken off everybody else's. */
  function clearOthers(culprit: Account): void {
    const explained = new Set(culprit.charges.map(({ crash }) => crash))
    for (const account of accounts.values()) {
      if (account === culprit) continue
      account.charges = account.charges.filter(({ crash }) => !explained.has(crash))
      forgetIfBlank(account)
    }
  }

  return {
    recordCrash(suspects, now) {
      const crash = ++crashes
      dropOldCharges(now)
      const charged = suspects
        .slice(0, policy.suspectsMax)
        .map(({ tenant, requests, sentMsBefore = 0 }, rank) =>
          charge(tenant, { crash, at: now, weight: 1 / (1 + rank), requests, sentMsBefore }),
        )
      const leader = leaderOf(charged, policy)
      const suspension = leader && suspend(leader, now)
      if (leader && suspension) clearOthers(leader)
      forgetOldest()
      return { crash, suspended: suspension }
    },
    clearRequest(crash, tenant) {
      const account = accounts.get(tenant)
      const found = account?.charges.find((one) => one.crash === crash)
      if (!account || !found || --found.requests > 0) return
      account.charges = account.charges.filter((one) => one !== found)
      // The evidence that it was suspended for is gone.
      if (account.suspension && account.charges.length < 2) release(account)
      forgetIfBlank(account)
    },
    tick(now) {
      const released: string[] = []
      for (const account of accounts.values()) {
        if (!account.suspension || account.suspension.until > now) continue
        released.push(account.tenant)
        account.charges = [{ crash: ++crashes, at: now, weight: 1, requests: 1, sentMsBefore: 0 }]
        release(account)
      }
      dropOldCharges(now)
      return released
    },
    isSuspect: (tenant) => accounts.has(tenant),
    get suspended() {
      return suspended
    },
    get suspensions() {
      return [...accounts.values()].flatMap(({ suspension }) => suspension ?? [])
    },
    get accountCount() {
      return accounts.size
    },
    charged: (max) =>
      [...accounts.values()]
        .sort(
          (a, b) =>
            Number(b.suspension !== null) - Number(a.suspension !== null) ||
            b.charges.length - a.charges.length,
        )
        .slice(0, max)
        .map(({ tenant, suspension, charges }) => ({
          tenant,
          suspension,
          charges: charges.map(({ crash, sentMsBefore }) => ({ crash, sentMsBefore })),
        })),
  }
}

/** Who explains the crash at which all of these were under way; null when it cannot be told yet. The last sender first. */
export function leaderOf<A extends { charges: readonly { weight: number }[] }>(
  charged: readonly A[],
  { commonMax, leadMin }: Pick<CrashPolicy, 'commonMax' | 'leadMin'>,
): A | null {
  const most = Math.max(0, ...charged.map(({ charges }) => charges.length))
  if (most < 2) return null
  const common = charged.filter(({ charges }) => charges.length === most)
  // Stable: of equals, the one that sent last stays first.
  const [first, second] = common.toSorted((a, b) => scoreOf(b) - scoreOf(a))
  const isClear = common.length <= commonMax || scoreOf(first!) >= leadMin * scoreOf(second!)
  return isClear ? first! : null
}

function scoreOf({ charges }: { charges: readonly { weight: number }[] }): number {
  return charges.reduce((sum, { weight }) => sum + weight, 0)
}
