/**
 * Which orders an agent obeys.
 *
 * An order that is refused changes nothing: the last good one stays. Refused is what is older (a control plane that
 * lost its lease, or a proxy's stale copy), what is for another host or fleet, and what silently drops a cell: a cell
 * is stopped by an order that says so, never by its absence, so that a row lost in the registry does not stop a cell
 * that serves. A new epoch begins after a store was restored; its orders may drop cells, or the agent would be wedged.
 */
import { type HostOrder, type Parsed, parsed, problem, refused } from '@cellplane/contract'

export function acceptOrder(
  current: HostOrder | undefined,
  next: HostOrder,
  host: string,
): Parsed<HostOrder> {
  if (next.host !== host) {
    return refuse('ORDER_OF_OTHER_HOST', `the order is for host "${next.host}"; this host is "${host}"`)
  }
  if (current === undefined) return parsed(next)
  if (next.fleet !== current.fleet) {
    return refuse(
      'ORDER_OF_OTHER_FLEET',
      `the order is of fleet "${next.fleet}"; this host runs "${current.fleet}"; give each fleet a state directory of its own`,
    )
  }
  const age = next.epoch - current.epoch || next.version - current.version
  if (age < 0) {
    return refuse(
      'ORDER_OLDER',
      `the order is ${next.epoch}.${next.version}; this host has obeyed ${current.epoch}.${current.version} already`,
    )
  }
  if (age === 0)
    return refuse('ORDER_UNCHANGED', `the order ${next.epoch}.${next.version} is in force already`)
  if (next.epoch === current.epoch) {
    const named = new Set(next.cells.map((cell) => cell.id))
    const dropped = current.cells.filter((cell) => cell.wanted === 'running' && !named.has(cell.id))
    if (dropped.length > 0) {
      return refuse(
        'ORDER_DROPS_CELLS',
        `the order does not name ${dropped.map((cell) => cell.id).join(', ')}, which run; a cell is stopped by \`wanted: stopped\`, not by leaving it out`,
      )
    }
  }
  return parsed(next)
}

const refuse = (code: string, message: string) => refused(problem(code, '', message))
