/** The program: every command, in the order in which a newcomer meets them. */
import { Command, type CommanderError } from 'commander'
import { automationCommand } from './commands/automation.ts'
import { cellCommand } from './commands/cell.ts'
import { completeCommand, completionCommand } from './commands/completion.ts'
import { downCommand } from './commands/down.ts'
import { helpCommand } from './commands/help.ts'
import { initCommand } from './commands/init.ts'
import { keysCommand } from './commands/keys.ts'
import { logsCommand } from './commands/logs.ts'
import { observabilityCommand } from './commands/observability.ts'
import { planCommand } from './commands/plan.ts'
import { rebalanceCommand } from './commands/rebalance.ts'
import { reportCommand } from './commands/report.ts'
import { statusCommand } from './commands/status.ts'
import { tenantCommand } from './commands/tenant.ts'
import { tokenCommand } from './commands/token.ts'
import { topCommand } from './commands/top.ts'
import { topologyCommand } from './commands/topology.ts'
import { upCommand } from './commands/up.ts'
import { zoneCommand } from './commands/zone.ts'

/** A wrong command line, with the command that it came nearest to: its help is where to look. */
export class UsageError extends Error {
  override name = 'UsageError'
  readonly isHelp: boolean
  constructor(error: CommanderError, command: Command) {
    const message = error.message
      .replace(/^error: /, '')
      .replaceAll('\n', ' ')
      .replace(/\.$/, '')
    super(`${message}; see \`${pathOf(command)} --help\``, { cause: error })
    this.isHelp = error.exitCode === 0
  }
}

export function createProgram(version: string): Command {
  const program = new Command('cellplane')
    .description('Runs a multi-tenant service as a fleet of isolated cells.')
    .version(version)
    .helpCommand(false)
  program.commandsGroup('Run a fleet here:')
  for (const command of [
    initCommand(),
    planCommand(),
    upCommand(),
    downCommand(),
    logsCommand(),
    tokenCommand(),
    keysCommand(),
  ]) {
    program.addCommand(command)
  }
  program.commandsGroup('Operate a fleet:')
  for (const command of [
    statusCommand(),
    topCommand(),
    reportCommand(),
    cellCommand(),
    zoneCommand(),
    rebalanceCommand(),
    tenantCommand(),
    topologyCommand(),
    automationCommand(),
    observabilityCommand(),
  ]) {
    program.addCommand(command)
  }
  program.commandsGroup('Shell:')
  program.addCommand(completionCommand())
  program.addCommand(
    helpCommand(() => program),
    { hidden: true },
  )
  program.addCommand(
    completeCommand(() => program),
    { hidden: true },
  )
  configure(program)
  return program
}

/** Wrong command lines become errors of ours, reported in one place and one form. */
function configure(command: Command): void {
  command.configureOutput({ outputError: () => {} }).exitOverride((error) => {
    throw new UsageError(error, command)
  })
  for (const child of command.commands) configure(child)
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}
