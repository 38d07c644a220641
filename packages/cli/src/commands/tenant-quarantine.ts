/** `cellplane tenant quarantine`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, requiredReasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { formatTenantRoute } from '../output/tenant-route.ts'

export function tenantQuarantineCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'quarantine <tenant>',
      summary: 'Put a tenant into quarantine, until you release it',
      details:
        'In a stateless fleet its requests go to the quarantine cell. In a stateful one, or without such a cell, it stays at home and a tenth of its cap is let through. Routers follow within a second.',
      examples: [
        [
          'cellplane tenant quarantine acme --reason "its imports crash the parser"',
          'keep acme away from other tenants',
        ],
      ],
    }).addOption(requiredReasonOption()),
  ).action(async (tenant: string, flags: RemoteFlags & JsonFlag & { reason: string }) => {
    const { client } = await connect(flags)
    const route = await client.quarantineTenant({ params: { tenant }, body: { reason: flags.reason } })
    printResult(flags.json, route, () => formatTenantRoute(route))
  })
}
