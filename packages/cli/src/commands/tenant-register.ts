/** `cellplane tenant register`. */
import type { Command } from 'commander'
import { aboutAnyFleet, createCommand, type JsonFlag, reasonOption } from '../command.ts'
import { connect, type RemoteFlags } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'
import { formatTenantRoute } from '../output/tenant-route.ts'

export function tenantRegisterCommand(): Command {
  return aboutAnyFleet(
    createCommand({
      usage: 'register <tenant>',
      summary: 'Register a tenant',
      details:
        'In a stateful fleet its home is assigned from then on. In a stateless one it only makes the tenant known to listings and blast-radius figures.',
      examples: [['cellplane tenant register acme', 'make acme known']],
    }).addOption(reasonOption('registered with the CLI')),
  ).action(async (tenant: string, flags: RemoteFlags & JsonFlag & { reason: string }) => {
    const { client } = await connect(flags)
    const route = await client.registerTenant({ body: { tenant, reason: flags.reason } })
    printResult(flags.json, route, () => formatTenantRoute(route))
  })
}
