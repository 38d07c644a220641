/** `cellplane tenant release`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, requiredReasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { formatTenantRoute } from '../output/tenant-route.ts'

export function tenantReleaseCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'release <tenant>',
      summary: 'Let a tenant out of quarantine',
      details:
        'What it did before is forgotten. When it does it again, it is back in quarantine within seconds. A router that suspended it by itself, because cells crashed, lets go of it a minute after the last crash, or up to ten if that was not the first time.',
      examples: [
        ['cellplane tenant release acme --reason "parser fixed in 1.2.3"', 'acme goes back to its shard'],
      ],
    }).addOption(requiredReasonOption()),
  ).action(async (tenant: string, flags: RemoteFlags & JsonFlag & { reason: string }) => {
    const { client } = await connect(flags)
    const route = await client.releaseTenant({ params: { tenant }, query: { reason: flags.reason } })
    printResult(flags.json, route, () => formatTenantRoute(route))
  })
}
