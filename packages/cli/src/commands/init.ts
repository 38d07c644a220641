/** `cellplane init`: a fleet file for your own service. */
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseFleetFile } from '@cellplane/contract/fleet-file'
import type { Command } from 'commander'
import { createCommand, type JsonFlag } from '../command.ts'
import { Failure } from '../failure.ts'
import { FLEET_FILE_NAME, invalidFleet } from '../fleet/fleet-file.ts'
import { fleetFileTemplate, type InitAnswers } from '../init/fleet-file-template.ts'
import { printResult } from '../output/print.ts'

type Flags = JsonFlag & { name?: string; run?: string; healthPath?: string; force?: boolean }

const RUN_DEFAULT = 'python3 app.py'
const HEALTH_PATH_DEFAULT = '/'

export function initCommand(): Command {
  return createCommand({
    usage: 'init [folder]',
    summary: 'Write a commented fleet file for your own service',
    details:
      'Asks for what the flags leave out when there is a terminal to ask at. An existing file is never overwritten without --force.',
    examples: [
      ['cellplane init --run "python3 app.py"', 'in this folder, named after it'],
      ['cellplane init shop --name shop --run "node server.js" --health-path /health', 'in the folder shop'],
    ],
  })
    .option('--name <name>', 'name of the fleet (default: that of the folder)')
    .option('--run <command>', `what runs your service; it listens on $PORT (default: ${RUN_DEFAULT})`)
    .option('--health-path <path>', `a path that it answers with a success (default: ${HEALTH_PATH_DEFAULT})`)
    .option('--force', 'overwrite an existing fleet file')
    .action(async (folder: string | undefined, flags: Flags) => {
      const directory = resolve(folder ?? '.')
      const answers = await ask(flags, nameOf(directory))
      const text = fleetFileTemplate(answers)
      const path = join(directory, FLEET_FILE_NAME)
      const fleet = parseFleetFile(text)
      if (!fleet.ok) throw invalidFleet(`the fleet file from ${JSON.stringify(answers)}`, fleet.problems)
      await write(path, text, flags.force ?? false)
      printResult(flags.json, { file: path, fleet: answers.name }, () =>
        [
          `wrote ${path}`,
          'next:',
          '  cellplane plan   checks it and says how large the fleet should be',
          '  cellplane up     runs it here',
        ].join('\n'),
      )
    })
}

async function ask(flags: Flags, nameDefault: string): Promise<InitAnswers> {
  const answers = {
    name: flags.name ?? nameDefault,
    run: flags.run ?? RUN_DEFAULT,
    healthPath: flags.healthPath ?? HEALTH_PATH_DEFAULT,
  }
  if (!process.stdin.isTTY || flags.json) return answers
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const question = async (text: string, fallback: string) =>
      (await terminal.question(`${text} [${fallback}] `)).trim() || fallback
    return {
      name: flags.name ?? (await question('Name of the fleet?', answers.name)),
      run: flags.run ?? (await question('What runs your service?', answers.run)),
      healthPath:
        flags.healthPath ?? (await question('A path that it answers with a success?', answers.healthPath)),
    }
  } finally {
    terminal.close()
  }
}

async function write(path: string, text: string, isForced: boolean): Promise<void> {
  try {
    await mkdir(resolve(path, '..'), { recursive: true })
    await writeFile(path, text, { flag: isForced ? 'w' : 'wx' })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw code === 'EEXIST'
      ? new Failure('FILE_EXISTS', `${path} exists already; --force overwrites it`, { cause })
      : new Failure('FILE_UNWRITABLE', `${path} cannot be written (${code})`, { cause })
  }
}

/** `My App` → `my-app`: a fleet name is a DNS label. */
function nameOf(directory: string): string {
  const label = basename(directory)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  return label === '' ? 'my-service' : label
}
