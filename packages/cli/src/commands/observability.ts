/** `cellplane observability …`: a fleet in the eyes of other tools. */
import type { Command } from 'commander'
import { createGroup } from '../command.ts'
import { observabilityExportCommand } from './observability-export.ts'

export function observabilityCommand(): Command {
  return createGroup('observability', 'Watch the fleet with Prometheus, Alertmanager and Grafana', [
    observabilityExportCommand(),
  ])
}
