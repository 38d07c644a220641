/** The control plane's process: `--config FILE`. Exits 2 when the configuration is wrong, with every problem; 1 when it cannot start. */
import { parseArgs } from 'node:util'
import { formatProblems } from '@cellplane/contract'
import { pino } from 'pino'
import { readControlConfig } from './config.ts'
import { type Control, startControl } from './control.ts'

const EXIT_CONFIG = 2
const EXIT_START = 1

const { values } = parseArgs({ options: { config: { type: 'string' } } })
if (!values.config) {
  process.stderr.write('cellplane-control: found no --config; expected --config FILE\n')
  process.exit(EXIT_CONFIG)
}
const config = await readControlConfig(values.config)
if (!config.ok) {
  process.stderr.write(
    `cellplane-control: ${values.config} is not valid\n${formatProblems(config.problems)}\n`,
  )
  process.exit(EXIT_CONFIG)
}

const logger = pino({ name: 'control', base: { fleet: config.value.fleet.fleet } })
let control: Control | undefined
let isStopping = false
async function stop(why: string): Promise<void> {
  if (isStopping) return
  isStopping = true
  logger.info({ why }, 'stopping')
  await control?.stop()
  process.exit(0)
}
process.on('SIGTERM', () => void stop('SIGTERM'))
process.on('SIGINT', () => void stop('SIGINT'))
// The channel closes with the parent, however it ended; nothing else tells a child of a SIGKILL.
if (config.value.parentBound) process.on('disconnect', () => void stop('the parent is gone'))

control = await startControl(config.value, logger).catch((error: Error) => {
  process.stderr.write(`cellplane-control: ${error.message}\n`)
  process.exit(EXIT_START)
})
