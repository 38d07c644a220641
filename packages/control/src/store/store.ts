/**
 * The store: what the control plane must remember, as a port.
 *
 * A store is a few collections of documents by key. Six verbs are all that the domain needs, so the port stays small and
 * an adapter can be read in one sitting; what the collections are is `collections.ts`.
 *
 * There is one writer. A write goes through the connection that holds the lease, so a process that lost the lease cannot
 * write even when it does not know it yet. Every document is parsed again when it is read: a row that a person or a
 * bad disk changed is an error that names its table and key, and never a value.
 */
import { formatProblems, type Problem } from '@cellplane/contract'
import type { GenericSchema } from 'valibot'

export type Collection<T> = { readonly table: string; readonly schema: GenericSchema<unknown, T> }

export type Page = {
  /** The last key of the page before. */
  after?: string
  /** At most this many; all when left out. Leave it out only for a collection that is bounded by itself. */
  limit?: number
  order?: 'ascending' | 'descending'
}

export type Row<T> = { key: string; value: T }
export type InvalidRow = { table: string; key: string; problems: Problem[] }
/** `invalid` rows are apart so that a view can show the rest; whoever decides by the rows takes `intact(rows)`. */
export type Rows<T> = { rows: Row<T>[]; invalid: InvalidRow[] }

export interface StoreReader {
  /** Throws StoreRowInvalid. */
  get<T>(collection: Collection<T>, key: string): Promise<T | undefined>
  list<T>(collection: Collection<T>, page?: Page): Promise<Rows<T>>
  count(collection: Collection<unknown>): Promise<number>
}

export interface StoreWriter extends StoreReader {
  put<T>(collection: Collection<T>, key: string, value: T): Promise<void>
  remove(collection: Collection<unknown>, key: string): Promise<void>
}

export interface Store extends StoreReader {
  /** Asks for the lease from now on. `onLeader` is called at each tenure's begin; its signal aborts at the end. */
  campaign(onLeader: (tenure: AbortSignal) => void): void
  /** Whether this process holds the lease, as far as it knows. */
  isWriter(): boolean
  /**
   * Runs `change` as one transaction, after the ones before it. Throws NotLeader without the lease, StoreUnavailable when
   * the database is gone or too many changes wait, and whatever `change` throws; nothing is stored then.
   */
  write<T>(change: (writer: StoreWriter) => Promise<T>): Promise<T>
  stop(): Promise<void>
}

/** The values, or the first row that cannot be read: a decision by half of the rows would take the other half away. */
export function intact<T>(rows: Rows<T>): T[] {
  const [first] = rows.invalid
  if (first) throw new StoreRowInvalid(first)
  return rows.rows.map((row) => row.value)
}

export class StoreRowInvalid extends Error {
  override readonly name = 'StoreRowInvalid'
  readonly row: InvalidRow
  constructor(row: InvalidRow) {
    super(describeInvalidRow(row))
    this.row = row
  }
}

export function describeInvalidRow(row: InvalidRow): string {
  return `table ${row.table}, key ${JSON.stringify(row.key)} cannot be read: ${formatProblems(row.problems).replaceAll('\n', '; ')}; restore the row from a backup`
}

/** Another process holds the lease, or the connection that held it is gone. */
export class NotLeader extends Error {
  override readonly name = 'NotLeader'
}

/** The database does not answer. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}
