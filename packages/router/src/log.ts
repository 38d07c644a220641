/**
 * Log lines: one JSON object a line. Nothing here takes a request, its headers or its token, so none can end up in a
 * log by accident; callers hand in the few fields that they mean.
 */
export type LogFields = Record<string, string | number | boolean | null>

export type Logger = {
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

/** `write` takes one finished line; `always` goes into each. */
export function createLogger(write: (line: string) => void, always: LogFields): Logger {
  const at = (level: string) => (message: string, fields?: LogFields) =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, ...always, ...fields, message })}\n`)
  return { info: at('info'), warn: at('warn'), error: at('error') }
}
