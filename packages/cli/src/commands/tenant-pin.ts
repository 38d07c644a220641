/** `cellplane tenant pin`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, reasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { formatTenantRoute } from '../output/tenant-route.ts'

export function tenantPinCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'pin <tenant> <cells...>',
      summary: 'Send a tenant to cells of your choice, home first',
      examples: [
        ['cellplane tenant pin acme cell-002 cell-004 --reason "big launch"', 'acme’s home is cell-002'],
      ],
    }).addOption(reasonOption('pinned with the CLI')),
  ).action(async (tenant: string, cells: string[], flags: RemoteFlags & JsonFlag & { reason: string }) => {
    const { client } = await connect(flags)
    const route = await client.pinTenant({ params: { tenant }, body: { cells, reason: flags.reason } })
    printResult(flags.json, route, () => formatTenantRoute(route))
  })
}
