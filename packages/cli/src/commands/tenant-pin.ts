/** `cellplane tenant pin`. */
import type { Command } from 'commander'
import {
  aboutAnyFleet,
  createCommand,
  forceOption,
  type JsonFlag,
  mayForce,
  reasonOption,
} from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { formatTenantRoute } from '../output/tenant-route.ts'

type Flags = RemoteFlags & JsonFlag & { reason: string; force?: boolean }

export function tenantPinCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'pin <tenant> <cells...>',
      summary: 'Send a tenant to cells of your choice, home first',
      examples: [
        ['cellplane tenant pin acme cell-002 cell-004 --reason "big launch"', 'acme’s home is cell-002'],
      ],
    })
      .addOption(reasonOption('pinned with the CLI'))
      .addOption(forceOption()),
  ).action(async (tenant: string, cells: string[], flags: Flags, command: Command) => {
    const body = { cells, reason: flags.reason, force: mayForce(flags, command) }
    const { client } = await connect(flags)
    const route = await client.pinTenant({ params: { tenant }, body })
    printResult(flags.json, route, () => formatTenantRoute(route))
  })
}
