/**
 * The addresses of cells that are named by a host name: looked up beside the requests, and kept.
 *
 * A resolver that is gone takes nothing down: the last addresses that a name had stay good until it has others. A
 * resolver that hangs is asked once for each name, not once for each connection: look-ups wait in threads that signatures
 * and files need as well, and would use them up. A name that was never resolved fails with its look-up, or waits for it
 * no longer than a connection may take.
 */
import dns, { type LookupAddress, type LookupAllOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'

type Name = {
  addresses: readonly LookupAddress[]
  /** When it may be looked up again, on the clock of `performance.now`. */
  freshUntil: number
  isAsked: boolean
  /** Connections to a name without addresses; each ends at its own time limit. */
  waiting: ((error: NodeJS.ErrnoException | null) => void)[]
}

/** Addresses change when a cell moves, which is seldom; a record's own time to live is not told by the system's resolver. */
const FRESH_MS = 5_000
/** After a look-up that failed. */
const RETRY_MS = 1_000

/** A topology has at most 10,000 cells; beyond that the name that was added first goes. */
const NAMES_MAX = 10_000

/** Connections that wait for the first addresses of one name, also those that were given up meanwhile. */
const WAITING_MAX = 1_000

/** Node has four threads for look-ups, files and signatures: half of them stay free of look-ups. */
const LOOKUPS_MAX = 2

const OPTIONS: LookupAllOptions = { all: true, verbatim: true }

export type Addresses = { readonly lookup: LookupFunction }

export function createAddresses(): Addresses {
  const names = new Map<string, Name>()
  const queue: string[] = []
  let underWay = 0

  function nameOf(hostname: string): Name {
    const known = names.get(hostname)
    if (known) return known
    if (names.size >= NAMES_MAX) names.delete(names.keys().next().value!)
    const name: Name = { addresses: [], freshUntil: 0, isAsked: false, waiting: [] }
    names.set(hostname, name)
    return name
  }

  function ask(hostname: string, name: Name): void {
    if (name.isAsked) return
    name.isAsked = true
    queue.push(hostname)
    askNext()
  }

  function askNext(): void {
    if (underWay >= LOOKUPS_MAX) return
    const hostname = queue.shift()
    if (hostname === undefined) return
    underWay++
    dns.lookup(hostname, OPTIONS, (error, addresses) => {
      underWay--
      const name = nameOf(hostname)
      name.isAsked = false
      const isFound = !error && addresses.length > 0
      if (isFound) name.addresses = addresses
      name.freshUntil = performance.now() + (isFound ? FRESH_MS : RETRY_MS)
      for (const tell of name.waiting.splice(0)) tell(error)
      askNext()
    })
  }

  return {
    lookup(hostname, options, callback) {
      const name = nameOf(hostname)
      const tell = (error: NodeJS.ErrnoException | null) => {
        const [first] = name.addresses
        if (first === undefined) callback(error ?? notFound(hostname), [])
        else if (options.all) callback(null, [...name.addresses])
        else callback(null, first.address, first.family)
      }
      if (performance.now() >= name.freshUntil) ask(hostname, name)
      // Never before this returns: whoever asks is not ready yet.
      const mayWait = name.isAsked && name.waiting.length < WAITING_MAX
      if (name.addresses.length > 0 || !mayWait) process.nextTick(tell, null)
      else name.waiting.push(tell)
    },
  }
}

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' })
}
