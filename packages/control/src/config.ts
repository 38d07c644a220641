/**
 * The control plane's configuration: one JSON file, and the secrets and the fleet that it names. Read once, by main.ts;
 * everything further in gets values.
 */

import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import {
  hostIdSchema,
  keyIdOf,
  type Parsed,
  type Problem,
  parsed,
  parseWith,
  privateKeyFromPem,
  problem,
} from '@cellplane/contract'
import type { ApiRole } from '@cellplane/contract/api'
import { type FleetFile, parseFleet } from '@cellplane/contract/fleet-file'
import { z } from 'zod'

/** Shorter secrets can be guessed; 16 characters of base64url are 96 bits. */
const SECRET_LENGTH_MIN = 16

const pathSchema = z.string().min(1).refine(isAbsolute, 'an absolute path is expected')
const intervalSchema = z.int().min(10).max(60_000)

/** Rhythms. Tests shorten them; nothing else has a reason to. */
const timingSchema = z.strictObject({
  reconcile_ms: intervalSchema
    .default(1000)
    .describe('Reconcilers run this often, and whenever something changed.'),
  lease_poll_ms: intervalSchema.default(1000).describe('A replica without the lease asks for it this often.'),
  first_placement_wait_ms: z
    .int()
    .min(0)
    .default(20_000)
    .describe(
      'How long the first placement waits for declared cells that are not ready, so that it is done once.',
    ),
  drain_settle_ms: z
    .int()
    .min(0)
    .default(5000)
    .describe(
      'How long a draining cell must look empty. Longer than holdings are old when they are reported.',
    ),
  report_save_ms: intervalSchema
    .default(5000)
    .describe('Who reported, and which tenants were seen, is stored this often.'),
  event_ping_ms: intervalSchema.default(5000),
})
export type Timing = z.infer<typeof timingSchema>

export const controlConfigSchema = z.strictObject({
  fleet_file: pathSchema.describe(
    'JSON: { "directory": "/of/the/fleet/file", "fleet": a parsed fleet file }',
  ),
  listen: z.strictObject({ host: z.string().min(1).default('127.0.0.1'), port: z.int().min(0).max(65_535) }),
  database_url: z.string().regex(/^postgres(ql)?:\/\//, 'a postgres:// URL is expected'),
  tokens: z
    .array(
      z.strictObject({
        role: z.enum(['admin', 'reader', 'router', 'host']),
        name: z.string().min(1).max(128).describe('Who is written into the audit trail.'),
        token_file: pathSchema,
      }),
    )
    .min(1)
    .max(100),
  signing_key_file: pathSchema.describe('Ed25519 private key, PEM; signs the topology.'),
  router_key_file: pathSchema.describe('The cells’ router secrets are derived from it.'),
  publish_dir: pathSchema.describe('The topology as files: base.json and overlay.json.'),
  default_host: hostIdSchema.default('local').describe('Where a cell runs that names no host.'),
  parent_bound: z.boolean().default(false).describe('Stop when the process that started this one is gone.'),
  timing: timingSchema.prefault({}),
})
export type ControlConfigFile = z.input<typeof controlConfigSchema>

export type ApiToken = { role: ApiRole; name: string; token: string }

export type ControlConfig = {
  fleet: FleetFile
  /** The fleet file's folder on the hosts. */
  directory: string
  listen: { host: string; port: number }
  databaseUrl: string
  tokens: ApiToken[]
  signingKey: { id: string; privateKey: KeyObject; publicKey: KeyObject }
  routerKey: string
  publishDir: string
  defaultHost: string
  parentBound: boolean
  timing: Timing
}

const fleetDocumentSchema = z.strictObject({ directory: pathSchema, fleet: z.unknown() })

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
  const signingKey = collect(await readSigningKey(config.signing_key_file))
  const routerKey = collect(await readSecret(config.router_key_file, 'router_key_file'))
  const tokens: ApiToken[] = []
  for (const [i, { role, name, token_file }] of config.tokens.entries()) {
    const path = `tokens[${i}].token_file`
    const token = collect(await readSecret(token_file, path))
    const twin = tokens.findIndex((other) => other.token === token)
    if (twin >= 0) {
      problems.push(
        problem('DUPLICATE_ID', path, `holds the same token as "${tokens[twin]!.name}"; give each its own`),
      )
    } else if (token !== undefined) tokens.push({ role, name, token })
  }
  if (problems.length > 0 || !fleet || !signingKey || !routerKey) return { ok: false, problems }
  return parsed({
    ...fleet,
    listen: config.listen,
    databaseUrl: config.database_url,
    tokens,
    signingKey,
    routerKey,
    publishDir: config.publish_dir,
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

async function readSigningKey(file: string): Promise<Parsed<ControlConfig['signingKey']>> {
  const text = await readText(file, 'signing_key_file')
  if (!text.ok) return text
  try {
    const privateKey = privateKeyFromPem(text.value)
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error(`it is ${privateKey.asymmetricKeyType}`)
    return parsed({ id: keyIdOf(privateKey), privateKey, publicKey: createPublicKey(privateKey) })
  } catch (error) {
    const why = `${file} holds no Ed25519 private key in PEM (${(error as Error).message})`
    return { ok: false, problems: [problem('INVALID_VALUE', 'signing_key_file', why)] }
  }
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
