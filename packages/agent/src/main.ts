/** The agent process: `main.ts --config FILE`. Exits 2 when the configuration is not valid, 1 when it cannot start. */
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { startAgent } from './agent.ts'
import { type AgentConfig, readAgentConfig } from './config.ts'

const log = pino({ name: 'agent', timestamp: pino.stdTimeFunctions.isoTime })
const config = await readConfig()
const starting = startAgent(config, { log })
let isStopping = false

process.on('SIGTERM', () => stop('SIGTERM'))
process.on('SIGINT', () => stop('SIGINT'))
// The channel to the parent closes when the parent dies, however it dies.
if (config.parent_bound) process.once('disconnect', () => stop('the parent process is gone'))

try {
  await starting
} catch (error) {
  log.fatal({ err: error }, 'the agent cannot start')
  // Not `exitCode`: the channel to the parent would keep this process alive, and nobody would start another.
  process.exit(1)
}

/** A stop that comes while it starts waits for the start, so that nothing half-started is left. */
async function stop(why: string): Promise<void> {
  if (isStopping) return
  isStopping = true
  log.info({ why }, 'stopping')
  const agent = await starting
  await agent.stop()
  process.exit(0)
}

async function readConfig(): Promise<AgentConfig> {
  try {
    const { values } = parseArgs({ options: { config: { type: 'string' } } })
    if (values.config === undefined) throw new Error('usage: main.ts --config FILE')
    return await readAgentConfig(values.config)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exit(2)
  }
}
