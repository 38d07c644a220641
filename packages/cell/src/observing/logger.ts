/**
 * Log lines as JSON, each with its cell; those of a request also with its tenant and trace.
 *
 * Secrets are kept out twice. Known places (an Authorization header, our own secret) are redacted by name. And because an
 * error message can quote anything, each finished line is searched for what has the shape of a credential.
 */
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Admission } from '../admission/admit.ts'
import type { CellConfig } from '../config.ts'

export type { Logger } from 'pino'

const HIDDEN = '[hidden]'

/** Headers that carry credentials, wherever a log line is given headers. */
const CREDENTIAL_HEADERS = [
  'authorization',
  'cookie',
  'set-cookie',
  'proxy-authorization',
  'cellplane-secret',
]

/** A JWT, a bearer or basic credential, the password of a URL, and a router secret (43 characters of base64url). */
const CREDENTIAL_SHAPES: readonly [RegExp, string][] = [
  [/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?/g, HIDDEN],
  [/\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${HIDDEN}`],
  [/(:\/\/[^\s:/@"]*:)[^\s@/"]+@/g, `$1${HIDDEN}@`],
  [/(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g, HIDDEN],
]

/** `destination` defaults to stdout, which the agent keeps in a file. */
export function createLogger(config: CellConfig, destination?: DestinationStream): Logger {
  const { cell, component, release } = config
  const options = {
    base: { cell, component, release },
    redact: {
      paths: CREDENTIAL_HEADERS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.headers["${name}"]`]),
      censor: HIDDEN,
    },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level: string) => ({ level }) },
    hooks: { streamWrite: hideCredentials },
  }
  return destination ? pino(options, destination) : pino(options)
}

/** A logger for one request: what it writes can be found by tenant, trace and request. */
export function forRequest(logger: Logger, admission: Admission): Logger {
  return logger.child({
    ...(admission.ok ? { tenant_id: admission.tenant } : {}),
    trace_id: admission.trace.traceId,
    span_id: admission.trace.spanId,
    request_id: admission.requestId,
  })
}

function hideCredentials(line: string): string {
  return CREDENTIAL_SHAPES.reduce((text, [shape, hidden]) => text.replace(shape, hidden), line)
}
