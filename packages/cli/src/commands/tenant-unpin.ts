/** `cellplane tenant unpin`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, reasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { formatTenantRoute } from '../output/tenant-route.ts'

export function tenantUnpinCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'unpin <tenant>',
      summary: 'Take a tenant’s pin off: placement decides again',
      examples: [['cellplane tenant unpin acme', 'acme goes back to its table’s shard']],
    }).addOption(reasonOption('unpinned with the CLI')),
  ).action(async (tenant: string, flags: RemoteFlags & JsonFlag & { reason: string }) => {
    const { client } = await connect(flags)
    const route = await client.unpinTenant({ params: { tenant }, query: { reason: flags.reason } })
    printResult(flags.json, route, () => formatTenantRoute(route))
  })
}
