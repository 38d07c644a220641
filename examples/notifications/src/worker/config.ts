/** What a worker may be told beyond its cell: where the providers are, and how patient it is. */

export type WorkerConfig = {
  smtpUrl: string
  from: string
  smsUrl: string
  pushUrl: string
  retry: RetryPolicy
  leaseMs: number
  concurrency: number
  lookIntervalMs: number
  purgeIntervalMs: number
}

export type RetryPolicy = {
  attemptsMax: number
  /** Delay after the first failure; it doubles with each. */
  delayFirstMs: number
  delayMaxMs: number
}

type Env = Readonly<Record<string, string | undefined>>

/** Throws one error that lists every problem. The defaults reach the local sinks that `cellplane up` starts. */
export function workerConfigFromEnv(env: Env): WorkerConfig {
  const problems: string[] = []
  const smtpPort = env['LOCAL_SINKS_SMTP_PORT']
  const httpPort = env['LOCAL_SINKS_HTTP_PORT']
  const url = (name: string, local: string | undefined, protocols: readonly string[]): string => {
    const found = env[name] || local
    if (found && URL.canParse(found) && protocols.includes(new URL(found).protocol)) return found
    problems.push(`$${name} is ${JSON.stringify(found ?? '')}; expected a URL with ${protocols.join(' or ')}`)
    return ''
  }
  const whole = (name: string, fallback: number): number => {
    const found = env[name]
    if (!found) return fallback
    if (/^[1-9]\d{0,8}$/.test(found)) return Number(found)
    problems.push(`$${name} is ${JSON.stringify(found)}; expected a whole number from 1`)
    return fallback
  }
  const config: WorkerConfig = {
    smtpUrl: url('SMTP_URL', smtpPort && `smtp://127.0.0.1:${smtpPort}`, ['smtp:', 'smtps:']),
    from: env['MAIL_FROM'] || 'notifications@example.com',
    smsUrl: url('SMS_URL', httpPort && `http://127.0.0.1:${httpPort}/sms`, ['http:', 'https:']),
    pushUrl: url('PUSH_URL', httpPort && `http://127.0.0.1:${httpPort}/push`, ['http:', 'https:']),
    retry: {
      // With these delays the last attempt is some 45 minutes after the first: longer than most outages of a provider.
      attemptsMax: whole('DELIVERY_ATTEMPTS_MAX', 20),
      delayFirstMs: whole('DELIVERY_DELAY_FIRST_MS', 1000),
      delayMaxMs: whole('DELIVERY_DELAY_MAX_MS', 5 * 60_000),
    },
    // Three times the longest attempt (10 s of silence), and soon enough after a worker died.
    leaseMs: whole('DELIVERY_LEASE_MS', 30_000),
    // Deliveries wait for providers, not for us. More would only fill a slow provider's queue.
    concurrency: whole('DELIVERY_CONCURRENCY', 32),
    // Due retries have no hint; they wait for the next look at most. Also how soon a lost hint is made up for.
    lookIntervalMs: whole('DELIVERY_LOOK_INTERVAL_MS', 1000),
    purgeIntervalMs: whole('PURGE_INTERVAL_MS', 60_000),
  }
  if (problems.length > 0) throw new Error(`the worker’s environment is not valid: ${problems.join('; ')}`)
  return config
}
