/** Which Prometheus is asked for the fleet's metrics: the section `prometheus` of the configuration, and the token that it names. */
import { readFile, stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { formatProblems, type Parsed, parsed, problem, refused } from '@cellplane/contract'
import { about, receiverBaseUrl, strictObject } from '@cellplane/contract/schema'
import type { PrometheusOptions } from '@cellplane/telemetry'
import * as v from 'valibot'
import { checkTokenTransport } from './token-transport.ts'

export const prometheusConfigSchema = strictObject({
  url: about(receiverBaseUrl, 'A Prometheus that scrapes this fleet’s routers, or what answers as one.'),
  token_file: v.optional(
    about(
      v.pipe(v.string(), v.check(isAbsolute, 'an absolute path is expected')),
      'A bearer token on one line, 0600. Read anew for each question. With it, the URL is https or of this machine.',
    ),
  ),
})
export type PrometheusConfig = v.InferOutput<typeof prometheusConfigSchema>

/** Group and others. */
const OTHERS = 0o077

/** Problems never quote what the file holds. */
export async function readPrometheusToken(file: string): Promise<Parsed<string>> {
  try {
    const { mode } = await stat(file)
    if ((mode & OTHERS) !== 0 && process.platform !== 'win32') {
      const why = `${file} has mode 0${(mode & 0o777).toString(8)}; expected 0600: others can read the token; chmod it`
      return refused(problem('INVALID_VALUE', '', why))
    }
    const token = (await readFile(file, 'utf8')).trim()
    if (/^[\x21-\x7e]+$/.test(token)) return parsed(token)
    return refused(problem('INVALID_VALUE', '', `${file} must hold one line without spaces`))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return refused(problem('FILE_UNREADABLE', '', `${file} cannot be read (${code})`))
  }
}

export function prometheusOptions({ url, token_file: file }: PrometheusConfig): PrometheusOptions {
  if (file === undefined) return { url }
  return {
    url,
    async bearerToken() {
      const token = await readPrometheusToken(file)
      if (token.ok) return token.value
      throw new Error(`its token cannot be had: ${formatProblems(token.problems)}`)
    },
  }
}

/** Undefined where the control plane keeps metrics by itself. */
export async function checkPrometheusConfig(
  prometheus: PrometheusConfig | undefined,
): Promise<Parsed<PrometheusConfig | undefined>> {
  if (prometheus?.token_file === undefined) return parsed(prometheus)
  const url = checkTokenTransport(prometheus.url, 'prometheus.url')
  if (!url.ok) return url
  const token = await readPrometheusToken(prometheus.token_file)
  if (token.ok) return parsed(prometheus)
  return {
    ok: false,
    problems: token.problems.map((one) => ({ ...one, path: 'prometheus.token_file' })),
  }
}
