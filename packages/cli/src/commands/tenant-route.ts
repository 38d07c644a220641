/** `cellplane tenant route`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { formatTenantRoute } from '../output/tenant-route.ts'

export function tenantRouteCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'route <tenant>',
      summary: 'Say where a tenant’s requests go, and why',
      examples: [['cellplane tenant route acme', 'the cells of acme’s shard, home first']],
    }),
  ).action(async (tenant: string, flags: RemoteFlags & JsonFlag) => {
    const { client } = await connect(flags)
    const route = await client.getTenantRoute({ params: { tenant } })
    printResult(flags.json, route, () => formatTenantRoute(route))
  })
}
