/**
 * The process of all instances. They share nothing but the processor, of which sleeping takes next to none. It is told
 * what to do over its IPC channel, answers each order with what is asked for, and ends with the channel.
 */
import type { Plan } from '../plan.ts'
import { type Instance, type SecondCount, startInstance } from './instance.ts'

export type Order =
  | { do: 'start'; instances: number; service: Plan['service'] }
  | { do: 'count'; startedAtMs: number }
  | { do: 'break'; instance: number; isBroken: boolean }
  | { do: 'break-health'; instances: readonly number[]; isBroken: boolean }
  | { do: 'report' }
/** Ports after `start`, counts by instance after `report`. */
export type OrderResult = { ports?: number[]; counts?: (readonly SecondCount[])[] }

let instances: Instance[] = []

process.on('disconnect', () => process.exit(0))
process.on('message', (order: Order) => {
  obey(order).then(
    (result) => process.send!(result),
    (error: Error) => {
      process.stderr.write(`the instances failed: ${error.stack}\n`)
      process.exit(1)
    },
  )
})

async function obey(order: Order): Promise<OrderResult> {
  switch (order.do) {
    case 'start':
      instances = await Promise.all(
        Array.from({ length: order.instances }, () => startInstance(order.service)),
      )
      return { ports: instances.map(({ port }) => port) }
    case 'count':
      for (const instance of instances) instance.countFrom(order.startedAtMs)
      return {}
    case 'break':
      instances[order.instance]!.setBroken(order.isBroken)
      return {}
    case 'break-health':
      for (const index of order.instances) instances[index]!.setHealthBroken(order.isBroken)
      return {}
    case 'report':
      return { counts: instances.map(({ counts }) => counts) }
  }
}
