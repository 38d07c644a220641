/** What a handler of an operation gets and gives. One type for the table's every row, so that none can be forgotten. */
import type { Parsed } from '@cellplane/contract'
import type { OPERATIONS, OperationName } from '@cellplane/contract/api'
import type * as v from 'valibot'

type Operations = typeof OPERATIONS
type Read<S> = S extends v.GenericSchema ? v.InferOutput<S> : undefined

export type Call<N extends OperationName> = {
  params: Read<Operations[N]['params']>
  query: Read<Operations[N]['query']>
  body: Read<Operations[N]['body']>
  /** The name of the caller's token. */
  actor: string
  /** The entity tag that the caller has, from If-None-Match. */
  knownEtag: string | undefined
  /** The router that asks, by ROUTER_HEADER. */
  router?: string | undefined
  /** Aborts when the caller is gone or the server stops. */
  signal: AbortSignal
}

/** A document is sent as it is, byte for byte, with its entity tag: 304 when the caller has it. */
export type Document = { text: string; etag: string }

/** A value is the operation's answer (204 when it has none). Problems answer with the status of the first one's code. */
export type Reply<N extends OperationName> =
  | Parsed<Operations[N]['answer'] extends v.GenericSchema ? v.InferOutput<Operations[N]['answer']> : void>
  | { ok: true; document: Document }

export type Handler<N extends OperationName> = (call: Call<N>) => Promise<Reply<N>>
export type Handlers<N extends OperationName = OperationName> = { [Name in N]: Handler<Name> }
