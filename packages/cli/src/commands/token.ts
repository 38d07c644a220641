/** `cellplane token`: development tokens, and where the operators' token is. */
import { readFile } from 'node:fs/promises'
import { ENDPOINTS_CLAIM } from '@cellplane/client'
import { partitionKeyProblem } from '@cellplane/contract'
import { type Command, Option } from 'commander'
import { aboutLocalFleet, collect, createCommand, duration, type JsonFlag } from '../command.ts'
import { Failure, usageFailure } from '../failure.ts'
import { connect, type FleetFlags, locateState } from '../fleet/locate.ts'
import { readPreparedFleet } from '../fleet/prepared-fleet.ts'
import { stateLayout } from '../fleet/state-layout.ts'
import { printResult } from '../output/print.ts'
import { openIssuer } from '../tokens/development-issuer.ts'

type Flags = FleetFlags &
  JsonFlag & { expires: number; claim?: string[]; endpoints?: boolean; admin?: boolean; show?: boolean }

const HOURS_12 = 12 * 3_600_000

export function tokenCommand(): Command {
  return aboutLocalFleet(
    createCommand({
      usage: 'token [tenants...]',
      summary: 'Issue development tokens for tenants, or say where the admin token is',
      details:
        'Development tokens are for fleets of stage dev without an identity provider. One token a line; with --json each with its tenant.',
      examples: [
        ['cellplane token acme', 'a token for acme, for twelve hours'],
        [
          'TOKEN=$(cellplane token acme --expires 15m --claim plan=gold)',
          'with a claim of your own, in a variable',
        ],
        ['cellplane token acme --endpoints', 'one that carries the URLs of acme’s cells'],
        ['cellplane token --admin', 'the file with the operators’ token'],
      ],
    })
      .addOption(
        new Option('--expires <time>', 'from now: 90s, 15m, 12h, 7d')
          .argParser(duration)
          .default(HOURS_12, '12h'),
      )
      .option('--claim <name=value>', 'a further claim; may be repeated', collect)
      .option('--endpoints', `add the claim ${ENDPOINTS_CLAIM} with the tenant’s endpoints, home first`)
      .option('--admin', 'print the path of the operators’ token')
      .option('--show', 'with --admin: print the token itself'),
  ).action(async (tenants: string[], flags: Flags) => {
    if (flags.admin) return await printAdminToken(tenants, flags)
    if (tenants.length === 0) {
      throw usageFailure('name a tenant, as in `cellplane token acme`')
    }
    const claims = Object.fromEntries((flags.claim ?? []).map(parseClaim))
    const stateDir = await locateState(flags)
    const issuer = await openIssuer(await readPreparedFleet(stateDir), stateDir)
    const endpointsOf = flags.endpoints ? await endpointLookup(flags) : undefined
    const tokens = await Promise.all(
      tenants.map(async (tenant) => {
        const why = partitionKeyProblem(tenant)
        if (why) throw new Failure('PARTITION_KEY_INVALID', `${JSON.stringify(tenant.slice(0, 40))}: ${why}`)
        const endpoints = endpointsOf ? { [ENDPOINTS_CLAIM]: await endpointsOf(tenant) } : {}
        const token = await issuer.issue({
          tenant,
          expiresInMs: flags.expires,
          claims: { ...claims, ...endpoints },
          now: Date.now(),
        })
        return { tenant, token }
      }),
    )
    printResult(flags.json, { tokens }, () => tokens.map(({ token }) => token).join('\n'))
  })
}

async function printAdminToken(tenants: readonly string[], flags: Flags): Promise<void> {
  if (tenants.length > 0) {
    throw usageFailure('--admin takes no tenant: the operators’ token is one for the fleet')
  }
  const file = stateLayout(await locateState(flags)).adminToken
  const token = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(
      'TOKEN_UNREADABLE',
      `${file} cannot be read (${cause.code}); it is made by the first \`cellplane up\``,
      { cause },
    )
  })
  // The path alone: a secret on a screen ends up in recordings and scrollback.
  if (flags.show) printResult(flags.json, { token_file: file, token: token.trim() }, () => token.trim())
  else printResult(flags.json, { token_file: file }, () => file)
}

/** `plan=gold` → a string; what is JSON (`admin=true`, `level=3`) keeps its type. */
function parseClaim(text: string): [string, unknown] {
  const at = text.indexOf('=')
  if (at < 1) throw usageFailure(`--claim ${text}: expected name=value`)
  const value = text.slice(at + 1)
  try {
    return [text.slice(0, at), JSON.parse(value)]
  } catch {
    return [text.slice(0, at), value]
  }
}

async function endpointLookup(flags: FleetFlags) {
  const { client } = await connect(flags)
  return async (tenant: string): Promise<{ cell: string; url: string }[]> => {
    const { cells } = await client.getTenantRoute({ params: { tenant } })
    return cells.flatMap(({ id, endpoint }) => (endpoint === null ? [] : [{ cell: id, url: endpoint }]))
  }
}
