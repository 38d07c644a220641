/** The order on this host's own disk: what a restarted agent acts on without asking anyone. */
import { readFile } from 'node:fs/promises'
import {
  type HostOrder,
  hostOrderSchema,
  type Parsed,
  parseWith,
  problem,
  refused,
} from '@cellplane/contract'
import { writeAtomically } from '@cellplane/host'

/** A thousand cells are about half a megabyte; more is a mistake or an attack. */
export const ORDER_BYTES_MAX = 4 * 1024 * 1024

/** undefined when there is none yet; every problem when the file is truncated, corrupted or of another shape. */
export async function readOrder(file: string): Promise<Parsed<HostOrder> | undefined> {
  try {
    return parseOrder(await readFile(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    return refused(problem('UNREADABLE', '', `${file} cannot be read: ${(error as Error).message}`))
  }
}

export function parseOrder(text: string): Parsed<HostOrder> {
  if (text.length > ORDER_BYTES_MAX) {
    return refused(
      problem(
        'TOO_LARGE',
        '',
        `the order has ${text.length} characters; expected at most ${ORDER_BYTES_MAX}`,
      ),
    )
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return refused(problem('INVALID_JSON', '', `the order is not JSON: ${(error as Error).message}`))
  }
  return parseWith(hostOrderSchema, value)
}

export async function writeOrder(file: string, order: HostOrder): Promise<void> {
  await writeAtomically(file, `${JSON.stringify(order)}\n`)
}
