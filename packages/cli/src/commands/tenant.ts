/** `cellplane tenant …`: where tenants are. */
import type { Command } from 'commander'
import { createGroup } from '../command.ts'
import { tenantListCommand } from './tenant-list.ts'
import { tenantPinCommand } from './tenant-pin.ts'
import { tenantQuarantineCommand } from './tenant-quarantine.ts'
import { tenantRegisterCommand } from './tenant-register.ts'
import { tenantReleaseCommand } from './tenant-release.ts'
import { tenantRouteCommand } from './tenant-route.ts'
import { tenantTopCommand } from './tenant-top.ts'
import { tenantUnpinCommand } from './tenant-unpin.ts'

export function tenantCommand(): Command {
  return createGroup('tenant', 'See where tenants are; register, pin and quarantine them', [
    tenantRouteCommand(),
    tenantListCommand(),
    tenantRegisterCommand(),
    tenantPinCommand(),
    tenantUnpinCommand(),
    tenantTopCommand(),
    tenantQuarantineCommand(),
    tenantReleaseCommand(),
  ])
}
