/** The agent's configuration file: strict, so that a misspelt field is an error and not a silent default. */
import { readFile } from 'node:fs/promises'
import { formatProblems, hostIdSchema, parseWith } from '@cellplane/contract'
import { z } from 'zod'

const PORT_MAX = 65_535

/** uids above those of accounts (1000–60000), of `nobody` (65534) and of what distributions hand out. */
const UID_BASE = 70_000

export const agentConfigSchema = z.strictObject({
  host: hostIdSchema,
  control_url: z.url({ protocol: /^https?$/ }),
  token_file: z.string().min(1).describe('The bearer token of the role `host`, on one line.'),
  state_dir: z.string().startsWith('/').describe('Order, cells and logs of this host.'),
  port_base: z.int().min(1).max(PORT_MAX).default(7500),
  listen_host: z.string().min(1).default('127.0.0.1'),
  jwks: z
    .string()
    .min(1)
    .nullable()
    .describe('Path or http(s) URL of the keys that the tenants’ tokens are verified with.'),
  fleet_kind: z.enum(['stateless', 'stateful']),
  component_env: z
    .record(z.string(), z.string())
    .default({})
    .describe('For every component: the ports of local services.'),
  runtime_dir: z
    .string()
    .startsWith('/')
    .describe('Where the PostgreSQL programs are copied to when a cell’s user cannot enter node_modules.'),
  uid_base: z.int().min(1).default(UID_BASE).describe('As root, the cell in slot n runs as uid_base + n.'),
  parent_bound: z.boolean().default(false).describe('Stop when the process that started the agent is gone.'),
})
export type AgentConfig = z.infer<typeof agentConfigSchema>

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
