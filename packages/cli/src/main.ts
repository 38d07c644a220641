/** The CLI's entry: parses the command line, runs the command, and says how it went by the exit status. */
import { readFileSync } from 'node:fs'
import { EXIT, reportFailure, usageFailure } from './failure.ts'
import { createProgram, UsageError } from './program.ts'

// `cellplane logs | head` closes the pipe: that is how a reader says "enough".
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}
const program = createProgram(version)
try {
  await program.parseAsync()
} catch (error) {
  const isJson = process.argv.includes('--json')
  if (!(error instanceof UsageError)) process.exitCode = reportFailure(error, isJson)
  else if (isHelpShown(error)) process.exitCode = error.isHelp ? 0 : EXIT.usage
  else process.exitCode = reportFailure(usageFailure(error.message), isJson)
}

/** commander has printed help or the version already; there is nothing to add. */
function isHelpShown({ cause }: UsageError): boolean {
  return /^commander\.(help|helpDisplayed|version)$/.test((cause as { code: string }).code)
}
