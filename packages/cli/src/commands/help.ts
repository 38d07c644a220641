/** `cellplane help`: what `--help` prints, for those who ask that way round. */
import { Command } from 'commander'
import { usageFailure } from '../failure.ts'

/** Not listed: `--help` is, everywhere. */
export function helpCommand(program: () => Command): Command {
  return new Command('help')
    .argument('[command...]')
    .helpOption(false)
    .action((words: string[]) => {
      let command = program()
      for (const [i, word] of words.entries()) {
        const next = command.commands.find((one) => one.name() === word)
        if (!next) {
          const before = ['cellplane', ...words.slice(0, i)].join(' ')
          throw usageFailure(`unknown command '${word}'; see \`${before} --help\``)
        }
        command = next
      }
      command.outputHelp()
    })
}
