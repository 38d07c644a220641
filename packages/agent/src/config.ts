/** The agent's configuration file: strict, so that a misspelt field is an error and not a silent default. */
import { readFile } from 'node:fs/promises'
import { formatProblems, hostIdSchema, parseWith } from '@cellplane/contract'
import { about, httpUrl, int, receiverUrl, record, strictObject } from '@cellplane/contract/schema'
import * as v from 'valibot'

const PORT_MAX = 65_535

/** uids above those of accounts (1000–60000), of `nobody` (65534) and of what distributions hand out. */
const UID_BASE = 70_000

const someText = v.pipe(v.string(), v.minLength(1))
const absolutePath = v.pipe(v.string(), v.startsWith('/'))

export const agentConfigSchema = strictObject({
  host: hostIdSchema,
  control_url: httpUrl,
  token_file: about(someText, 'The bearer token of the role `host`, on one line.'),
  state_dir: about(absolutePath, 'Order, cells and logs of this host.'),
  port_base: v.optional(int(1, PORT_MAX), 7500),
  listen_host: v.optional(someText, '127.0.0.1'),
  jwks: about(
    v.nullable(someText),
    'Path or http(s) URL of the keys that the tenants’ tokens are verified with.',
  ),
  fleet_kind: v.picklist(['stateless', 'stateful']),
  component_env: v.optional(
    about(record(v.string(), v.string()), 'For every component: the ports of local services.'),
    {},
  ),
  traces: v.optional(
    about(
      strictObject({ otlp_url: receiverUrl }),
      'Where the cells of this host send spans: OTLP over HTTP, as JSON. Left out: they send none.',
    ),
  ),
  runtime_dir: about(
    absolutePath,
    'Where the PostgreSQL programs are copied to when a cell’s user cannot enter node_modules.',
  ),
  uid_base: v.optional(about(int(1), 'As root, the cell in slot n runs as uid_base + n.'), UID_BASE),
  parent_bound: v.optional(
    about(v.boolean(), 'Stop when the process that started the agent is gone.'),
    false,
  ),
})
export type AgentConfig = v.InferOutput<typeof agentConfigSchema>

/** Throws with every problem of the file, one a line. */
export async function readAgentConfig(file: string): Promise<AgentConfig> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new Error(`the configuration file ${file} cannot be read: ${cause.message}`, { cause })
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Error(`the configuration file ${file} is not JSON: ${(cause as Error).message}`, { cause })
  }
  const result = parseWith(agentConfigSchema, value)
  if (!result.ok)
    throw new Error(`the configuration file ${file} is not valid:\n${formatProblems(result.problems)}`)
  return result.value
}
