/**
 * Which ports a cell has: ten in a row by its slot, so that a port tells its cell and no two cells ever ask for the
 * same one. The first is PostgreSQL's; the others go to the components that listen, in the fleet file's order.
 */
import { type Parsed, parsed, problem, refused } from '@cellplane/contract'
import type { Component } from '@cellplane/contract/fleet-file'

export const PORTS_PER_CELL = 10
const PORT_MAX = 65_535

export type CellPorts = { postgres: number; components: ReadonlyMap<string, number> }

export function assignPorts(
  portBase: number,
  slot: number,
  components: readonly Component[],
): Parsed<CellPorts> {
  const first = portBase + PORTS_PER_CELL * slot
  const listening = components.filter((component) => component.serves || component.port)
  if (listening.length >= PORTS_PER_CELL) {
    return refused(
      problem(
        'TOO_MANY_PORTS',
        'components',
        `${listening.length} components listen; a cell has ${PORTS_PER_CELL} ports, of which one is PostgreSQL's; let ${PORTS_PER_CELL - 1} listen`,
      ),
    )
  }
  if (first + PORTS_PER_CELL - 1 > PORT_MAX) {
    return refused(
      problem(
        'PORT_TOO_HIGH',
        '',
        `slot ${slot} would get the ports from ${first}, and the last is ${PORT_MAX}; start with a lower --cell-port-base`,
      ),
    )
  }
  return parsed({
    postgres: first,
    components: new Map(listening.map((component, i) => [component.name, first + 1 + i])),
  })
}

/** What a person can do about a port that is somebody else's. */
export function portTaken(port: number, what: string): string {
  return `port ${port} of ${what} is taken by another process; stop it or start with --cell-port-base N`
}
