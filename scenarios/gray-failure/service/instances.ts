/** The instances as the scenario holds them: a process that is given orders, one at a time. */
import type { Plan } from '../plan.ts'
import { startProcess } from '../process.ts'
import type { SecondCount } from './instance.ts'
import type { Order, OrderResult } from './instances.main.ts'

export type Instances = {
  readonly ports: readonly number[]
  /** Counts by second begin at this moment, in ms since the epoch. */
  count(startedAtMs: number): Promise<void>
  setBroken(instance: number, isBroken: boolean): Promise<void>
  /** Only the health check of these, at once. */
  setHealthBroken(instances: readonly number[], isBroken: boolean): Promise<void>
  /** By instance and second. */
  report(): Promise<(readonly SecondCount[])[]>
  stop(): Promise<void>
}

export async function startInstances({
  instances,
  service,
}: Pick<Plan, 'instances' | 'service'>): Promise<Instances> {
  const child = startProcess(new URL('instances.main.ts', import.meta.url), [])
  const order = (message: Order) => child.ask<OrderResult>(message)
  const { ports } = await order({ do: 'start', instances, service })
  return {
    ports: ports!,
    count: async (startedAtMs) => {
      await order({ do: 'count', startedAtMs })
    },
    setBroken: async (instance, isBroken) => {
      await order({ do: 'break', instance, isBroken })
    },
    setHealthBroken: async (some, isBroken) => {
      await order({ do: 'break-health', instances: some, isBroken })
    },
    report: async () => (await order({ do: 'report' })).counts!,
    stop: () => child.stop(),
  }
}
