/**
 * What may stand at the cursor: commands, flags, and ids of cells, read off the program itself, so that nothing here
 * has to be kept in step with it. Pure, but for the question for cell ids, which the caller answers.
 */
import type { Argument, Command, Option } from 'commander'

export type CellIds = () => Promise<string[]>

/** Candidates that begin with the last word. `words` are those after the program's name; the last is under the cursor. */
export async function completionsFor(
  program: Command,
  words: readonly string[],
  cellIds: CellIds,
): Promise<string[]> {
  const current = words.at(-1) ?? ''
  const { command, argumentsBefore, pending } = walk(program, words.slice(0, -1))
  const candidates = await candidatesAt(command, { current, argumentsBefore, pending }, cellIds)
  return candidates.filter((candidate) => candidate.startsWith(current)).sort()
}

/** Whose value is a cell: `--cell`, `--into`. */
const OPTIONS_OF_CELLS = new Set(['cell', 'into'])

type Position = {
  current: string
  argumentsBefore: string[]
  /** The option whose value stands at the cursor. */
  pending: Option | undefined
}

/** Follows the words through groups, options and their values to the command that they reach. */
function walk(program: Command, words: readonly string[]) {
  let command = program
  let argumentsBefore: string[] = []
  let pending: Option | undefined
  for (const word of words) {
    if (pending) {
      pending = undefined
    } else if (word.startsWith('-')) {
      const option = command.options.find(({ long, short }) => word === long || word === short)
      pending = option?.required ? option : undefined
    } else {
      const next = command.commands.find((candidate) => candidate.name() === word)
      if (next) {
        command = next
        argumentsBefore = []
      } else argumentsBefore.push(word)
    }
  }
  return { command, argumentsBefore, pending }
}

async function candidatesAt(
  command: Command,
  { current, argumentsBefore, pending }: Position,
  cellIds: CellIds,
): Promise<string[]> {
  if (pending) {
    return OPTIONS_OF_CELLS.has(pending.attributeName()) ? await cellIds() : (pending.argChoices ?? [])
  }
  if (current.startsWith('-')) {
    return ['--help', ...command.options.filter(({ hidden }) => !hidden).flatMap(({ long }) => long ?? [])]
  }
  if (command.commands.length > 0) {
    const names = command.commands.map((child) => child.name())
    return names.filter((name) => !name.startsWith('_') && name !== 'help')
  }
  const argument = argumentAt(command, argumentsBefore.length)
  if (!argument) return []
  if (argument.name() === 'cell' || argument.name() === 'cells') {
    return (await cellIds()).filter((id) => !argumentsBefore.includes(id))
  }
  return argument.argChoices ?? []
}

/** The argument at a place; a last variadic one takes all that follow. */
function argumentAt(command: Command, place: number): Argument | undefined {
  const last = command.registeredArguments.at(-1)
  return command.registeredArguments[place] ?? (last?.variadic ? last : undefined)
}
