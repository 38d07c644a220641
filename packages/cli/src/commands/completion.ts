/** `cellplane completion`, and the hidden command that the shells ask. */
import { fileURLToPath } from 'node:url'
import { Argument, Command } from 'commander'
import { createCommand, type JsonFlag } from '../command.ts'
import { completionsFor } from '../completion/candidates.ts'
import { completionScript, INSTALL, INSTALL_NPX, SHELLS, type Shell } from '../completion/scripts.ts'
import { connect } from '../fleet/locate.ts'
import { printResult } from '../output/print.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/cellplane.js', import.meta.url))

export function completionCommand(): Command {
  return createCommand({
    usage: 'completion',
    summary: 'Print a script that completes commands, flags and cell ids in your shell',
    details: [...SHELLS.map((shell) => `${shell}: ${INSTALL[shell]}`), INSTALL_NPX].join('\n'),
    examples: [
      ['eval "$(cellplane completion bash)"', 'for this bash'],
      ['cellplane completion fish > ~/.config/fish/completions/cellplane.fish', 'for every fish'],
    ],
  })
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .action((shell: Shell, flags: JsonFlag) => {
      const script = completionScript(shell, process.execPath, PROGRAM)
      printResult(flags.json, { shell, script }, () => script)
    })
}

/** A person waits for it with a finger on the key. */
const CELL_IDS_TIMEOUT_MS = 1_000

/** `cellplane __complete -- words…`: one candidate a line. Never fails: no answer is no candidates. */
export function completeCommand(program: () => Command): Command {
  return new Command('__complete')
    .argument('[words...]')
    .helpOption(false)
    .action(async (words: string[]) => {
      const candidates = await completionsFor(program(), words, cellIds)
      if (candidates.length > 0) process.stdout.write(`${candidates.join('\n')}\n`)
    })
}

async function cellIds(): Promise<string[]> {
  try {
    const { client } = await connect({})
    const { cells } = await client.listCells({}, { signal: AbortSignal.timeout(CELL_IDS_TIMEOUT_MS) })
    return cells.map((cell) => cell.id)
  } catch {
    return []
  }
}
