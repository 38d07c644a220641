/** Tenants in quarantine, as a table. */
import type { QuarantineView } from '@cellplane/contract/api'
import { formatTable } from './table.ts'

export function formatQuarantines(quarantines: readonly QuarantineView[]): string {
  if (quarantines.length === 0) return 'no tenant is in quarantine'
  return formatTable(quarantines, [
    { title: 'TENANT', value: ({ tenant }) => tenant },
    { title: 'BY', value: ({ rule }) => rule },
    { title: 'MODE', value: ({ mode }) => mode },
    { title: 'SINCE', value: ({ since }) => since },
    { title: 'UNTIL', value: ({ until }) => until ?? 'released' },
    { title: 'REASON', value: ({ reason }) => reason, isFlexible: true },
  ])
}
