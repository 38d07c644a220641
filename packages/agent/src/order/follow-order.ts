/**
 * Follows the control plane's order for this host: one long poll after the other, for as long as the agent lives.
 *
 * Nothing here can stop a cell: an answer that cannot be had, parsed or accepted is logged, and the order in force
 * stays in force.
 */
import { formatProblems, type HostOrder } from '@cellplane/contract'
import type { Logger } from 'pino'
import { backoffMs, CONTROL_PLANE_BACKOFF } from '../backoff.ts'
import type { ControlPlane } from '../control-plane.ts'
import { pause } from '../wake.ts'
import { acceptOrder } from './accept-order.ts'
import { parseOrder } from './order-file.ts'

/** How long the control plane may hold the request when nothing changes. */
const ORDER_WAIT_SECONDS = 25
/** Between two polls, whatever is answered: a control plane that does not wait must not be asked in a tight loop. */
const ORDER_POLL_MIN_MS = 200

export type FollowOptions = {
  controlPlane: ControlPlane
  host: string
  log: Logger
  current(): HostOrder | undefined
  obey(order: HostOrder): Promise<void>
}

export async function followOrder(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { controlPlane, host, log, current, obey } = options
  let etag: string | undefined
  let failures = 0
  while (!signal.aborted) {
    try {
      const answer = await controlPlane.getOrder({ etag, waitSeconds: ORDER_WAIT_SECONDS, signal })
      if (failures > 0) log.info({ failures }, 'the control plane answers again')
      failures = 0
      if (answer !== 'unchanged') {
        await consider(answer.text)
        etag = answer.etag
      }
    } catch (error) {
      if (signal.aborted) return
      // Once, not every five seconds for a day.
      if (failures === 0) log.warn({ err: error }, 'the control plane does not answer; the cells go on')
      failures++
    }
    await pause(failures === 0 ? ORDER_POLL_MIN_MS : backoffMs(failures, CONTROL_PLANE_BACKOFF), signal)
  }

  async function consider(text: string): Promise<void> {
    const shape = parseOrder(text)
    const accepted = shape.ok ? acceptOrder(current(), shape.value, host) : shape
    if (accepted.ok) await obey(accepted.value)
    else if (accepted.problems[0]?.code !== 'ORDER_UNCHANGED') {
      log.error(
        { problems: formatProblems(accepted.problems) },
        'an order was refused; the one in force stays',
      )
    }
  }
}
