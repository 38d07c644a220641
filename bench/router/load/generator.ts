/** The bench's side of the generator: starts the process, and calls what it offers. */
import { fileURLToPath } from 'node:url'
import { startPinned } from '../processes/pinned-process.ts'
import type { Call, GeneratorApi, Reply } from './generator.main.ts'

const MAIN = fileURLToPath(new URL('./generator.main.ts', import.meta.url))

export type Generator = GeneratorApi & { stop(): Promise<void> }

type Waiting = { resolve(value: unknown): void; reject(error: Error): void }

export function startGenerator(core: number, outputFile: string): Generator {
  const started = startPinned([process.execPath, MAIN], { core, outputFile, hasChannel: true })
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let failure: Error | undefined

  function failAll(why: string): void {
    failure ??= new Error(why)
    for (const call of waiting.values()) call.reject(failure)
    waiting.clear()
  }

  started.child.on('message', (reply: Reply) => {
    if ('failure' in reply) return failAll(reply.failure)
    waiting.get(reply.id)?.resolve(reply.value)
    waiting.delete(reply.id)
  })
  started.child.once('exit', () => failAll(`the generator ended: ${started.output()}`))

  const call = (method: Call['method']) => (argument?: unknown) =>
    new Promise<unknown>((resolve, reject) => {
      if (failure) return reject(failure)
      const id = ++lastId
      waiting.set(id, { resolve, reject })
      started.child.send({ id, method, argument } satisfies Call)
    })

  return {
    start: call('start') as GeneratorApi['start'],
    learn: call('learn') as GeneratorApi['learn'],
    closedLoop: call('closedLoop') as GeneratorApi['closedLoop'],
    openLoop: call('openLoop') as GeneratorApi['openLoop'],
    bodies: call('bodies') as GeneratorApi['bodies'],
    openIdle: call('openIdle') as GeneratorApi['openIdle'],
    closeIdle: call('closeIdle') as GeneratorApi['closeIdle'],
    stop: () => started.stop(),
  }
}
