/**
 * The control plane's configuration: one JSON file, and the secrets and the fleet that it names. Read once, by main.ts;
 * everything further in gets values.
 */

import type { KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import {
  ALERT_WEBHOOKS_MAX,
  hostIdSchema,
  type Parsed,
  type Problem,
  parsed,
  parseWith,
  problem,
} from '@cellplane/contract'
import type { ApiRole } from '@cellplane/contract/api'
import { type FleetFile, parseFleet } from '@cellplane/contract/fleet-file'
import { about, int, list, receiverUrl, strictObject, text } from '@cellplane/contract/schema'
import * as v from 'valibot'
import { checkS3Config, type S3Config, s3ConfigSchema } from './object-store/s3-config.ts'
import {
  checkPrometheusConfig,
  type PrometheusConfig,
  prometheusConfigSchema,
} from './telemetry/prometheus-config.ts'
import { checkTokenTransport } from './telemetry/token-transport.ts'
import type { Webhook } from './telemetry/webhooks.ts'
import { type KeyFiles, readKeys, type SigningKey } from './topology/signing-keys.ts'

/** Shorter secrets can be guessed; 16 characters of base64url are 96 bits. */
const SECRET_LENGTH_MIN = 16

const pathSchema = v.pipe(v.string(), v.minLength(1), v.check(isAbsolute, 'an absolute path is expected'))
const intervalSchema = int(10, 60_000)

/** Rhythms. Tests shorten them; nothing else has a reason to. */
const timingSchema = strictObject({
  reconcile_ms: v.optional(
    about(intervalSchema, 'Reconcilers run this often, and whenever something changed.'),
    1000,
  ),
  lease_poll_ms: v.optional(
    about(intervalSchema, 'A replica without the lease asks for it this often.'),
    1000,
  ),
  first_placement_wait_ms: v.optional(
    about(
      int(0),
      'How long the first placement waits for declared cells that are not ready, so that it is done once.',
    ),
    20_000,
  ),
  drain_settle_ms: v.optional(
    about(
      int(0),
      'How long a draining cell must look empty. Longer than holdings are old when they are reported.',
    ),
    5000,
  ),
  report_save_ms: v.optional(
    about(intervalSchema, 'Who reported, and which tenants were seen, is stored this often.'),
    5000,
  ),
  event_ping_ms: v.optional(intervalSchema, 5000),
})
export type Timing = v.InferOutput<typeof timingSchema>

export const controlConfigSchema = strictObject({
  fleet_file: about(pathSchema, 'JSON: { "directory": "/of/the/fleet/file", "fleet": a parsed fleet file }'),
  listen: strictObject({
    host: v.optional(v.pipe(v.string(), v.minLength(1)), '127.0.0.1'),
    port: int(0, 65_535),
  }),
  database_url: v.pipe(v.string(), v.regex(/^postgres(ql)?:\/\//, 'a postgres:// URL is expected')),
  tokens: list(
    strictObject({
      role: v.picklist(['admin', 'reader', 'router', 'host']),
      name: about(text(1, 128), 'Who is written into the audit trail.'),
      token_file: pathSchema,
      may_force: v.optional(
        about(v.boolean(), 'Whether its holder may make changes that exceed the blast-radius budget.'),
        false,
      ),
    }),
    1,
    100,
  ),
  signing_key_file: about(
    pathSchema,
    'Ed25519 private key, PEM; signs the topology. Taken anew when it changes.',
  ),
  trusted_keys_file: v.optional(
    about(
      pathSchema,
      'JWK set, as routers have it: whose stored documents are believed beside those of the signing key, while keys are replaced.',
    ),
  ),
  router_key_file: about(pathSchema, 'The cells’ router secrets are derived from it.'),
  publish_dir: about(pathSchema, 'The topology as files: base.json and overlay.json.'),
  publish: v.optional(
    strictObject({
      s3: v.optional(
        about(s3ConfigSchema, 'The topology as objects of a store that speaks S3. Left out: none.'),
      ),
    }),
    {},
  ),
  metrics_dir: v.optional(
    about(pathSchema, 'Where metrics are kept over restarts. Left out: a restart forgets them.'),
  ),
  prometheus: v.optional(
    about(prometheusConfigSchema, 'Who is asked for metrics. Left out: the control plane keeps them itself.'),
  ),
  alert_webhooks: v.optional(
    about(
      list(strictObject({ url: receiverUrl, token_file: v.optional(pathSchema) }), 0, ALERT_WEBHOOKS_MAX),
      'Who is told of each cell’s alerts, in the form of Alertmanager’s webhooks. With a token, the URL is https or of this machine.',
    ),
    [],
  ),
  default_host: v.optional(about(hostIdSchema, 'Where a cell runs that names no host.'), 'local'),
  parent_bound: v.optional(about(v.boolean(), 'Stop when the process that started this one is gone.'), false),
  timing: v.optional(timingSchema, {}),
})
export type ControlConfigFile = v.InferInput<typeof controlConfigSchema>

export type ApiToken = { role: ApiRole; name: string; token: string; mayForce: boolean }

export type ControlConfig = {
  fleet: FleetFile
  /** The fleet file's folder on the hosts. */
  directory: string
  listen: { host: string; port: number }
  databaseUrl: string
  tokens: ApiToken[]
  signingKey: SigningKey
  /** Whose documents are believed; the signing key's among them. */
  trustedKeys?: Map<string, KeyObject>
  /** Taken anew while it runs; without them the keys stay as they are. */
  keyFiles?: KeyFiles
  routerKey: string
  publishDir: string
  s3?: S3Config | undefined
  metricsDir?: string | undefined
  prometheus?: PrometheusConfig | undefined
  alertWebhooks?: Webhook[]
  defaultHost: string
  parentBound: boolean
  timing: Timing
}

const fleetDocumentSchema = strictObject({ directory: pathSchema, fleet: v.unknown() })

/** Reads the file and all that it names; every problem is reported, with the path of the field that is to blame. */
export async function readControlConfig(file: string): Promise<Parsed<ControlConfig>> {
  const json = await readJson(file, '')
  return json.ok ? resolveControlConfig(json.value) : json
}

export async function resolveControlConfig(input: unknown): Promise<Parsed<ControlConfig>> {
  const shape = parseWith(controlConfigSchema, input)
  if (!shape.ok) return shape
  const config = shape.value
  const problems: Problem[] = []
  const collect = <T>(result: Parsed<T>): T | undefined => {
    if (result.ok) return result.value
    problems.push(...result.problems)
    return undefined
  }
  const fleet = collect(await readFleet(config.fleet_file))
  const keyFiles = { signing: config.signing_key_file, trusted: config.trusted_keys_file }
  const keys = collect(await readKeys(keyFiles))
  const routerKey = collect(await readSecret(config.router_key_file, 'router_key_file'))
  const s3 = collect(await checkS3Config(config.publish.s3))
  const prometheus = collect(await checkPrometheusConfig(config.prometheus))
  const tokens: ApiToken[] = []
  for (const [i, { role, name, token_file, may_force: mayForce }] of config.tokens.entries()) {
    const path = `tokens[${i}].token_file`
    const token = collect(await readSecret(token_file, path))
    const twin = tokens.findIndex((other) => other.token === token)
    if (twin >= 0) {
      problems.push(
        problem('DUPLICATE_ID', path, `holds the same token as "${tokens[twin]!.name}"; give each its own`),
      )
    } else if (token !== undefined) tokens.push({ role, name, token, mayForce })
  }
  const alertWebhooks: Webhook[] = []
  for (const [i, { url, token_file: file }] of config.alert_webhooks.entries()) {
    const path = `alert_webhooks[${i}]`
    const token = file === undefined ? undefined : collect(await readSecret(file, `${path}.token_file`))
    if (file !== undefined) collect(checkTokenTransport(url, `${path}.url`))
    alertWebhooks.push({ url, token })
  }
  if (problems.length > 0 || !fleet || !keys || !routerKey) return { ok: false, problems }
  return parsed({
    ...fleet,
    listen: config.listen,
    databaseUrl: config.database_url,
    tokens,
    signingKey: keys.signingKey,
    trustedKeys: keys.trusted,
    keyFiles,
    routerKey,
    publishDir: config.publish_dir,
    s3,
    metricsDir: config.metrics_dir,
    prometheus,
    alertWebhooks,
    defaultHost: config.default_host,
    parentBound: config.parent_bound,
    timing: config.timing,
  })
}

async function readFleet(file: string): Promise<Parsed<{ fleet: FleetFile; directory: string }>> {
  const json = await readJson(file, 'fleet_file')
  if (!json.ok) return json
  const document = parseWith(fleetDocumentSchema, json.value)
  if (!document.ok) return under('fleet_file', document.problems)
  const fleet = parseFleet(document.value.fleet)
  if (!fleet.ok) return under('fleet_file: fleet', fleet.problems)
  if (fleet.value.partition_key.rules.some((rule) => rule.from === 'jwt') && !fleet.value.tokens) {
    const why =
      'a partition key comes from a token, but "tokens" is missing; name the issuer and the audience (`cellplane up` fills in the development issuer)'
    return under('fleet_file: fleet', [problem('INVALID_VALUE', 'tokens', why)])
  }
  return parsed({ fleet: fleet.value, directory: document.value.directory })
}

async function readSecret(file: string, path: string): Promise<Parsed<string>> {
  const text = await readText(file, path)
  if (!text.ok) return text
  const secret = text.value.trim()
  if (secret.length >= SECRET_LENGTH_MIN && !/\s/.test(secret)) return parsed(secret)
  const why = `${file} must hold one line of at least ${SECRET_LENGTH_MIN} characters without spaces`
  return { ok: false, problems: [problem('INVALID_VALUE', path, why)] }
}

async function readJson(file: string, path: string): Promise<Parsed<unknown>> {
  const text = await readText(file, path)
  if (!text.ok) return text
  try {
    return parsed(JSON.parse(text.value))
  } catch (error) {
    const why = `${file} is not JSON: ${(error as Error).message}`
    return { ok: false, problems: [problem('INVALID_JSON', path, why)] }
  }
}

async function readText(file: string, path: string): Promise<Parsed<string>> {
  try {
    return parsed(await readFile(file, 'utf8'))
  } catch (error) {
    const why = `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`
    return { ok: false, problems: [problem('FILE_UNREADABLE', path, why)] }
  }
}

function under(path: string, problems: readonly Problem[]): { ok: false; problems: Problem[] } {
  return {
    ok: false,
    problems: problems.map((p) => ({ ...p, path: p.path === '' ? path : `${path}.${p.path}` })),
  }
}
