/**
 * Publishing as objects: each base and each overlay as an object of its own that is never changed, then the pointer.
 *
 *     <prefix>/base/<epoch>.<version>.json      written once (only if absent)
 *     <prefix>/overlay/<epoch>.<version>.json   written once (only if absent)
 *     <prefix>/current.json                     the pointer; replaced only if it is still the one that was read
 *
 * It runs beside everything else, for as long as the lease is held, and nobody waits for it:
 *
 *     idle ──(something was published)──▶ writing ──(done)──▶ idle
 *                                           └──(failed)──▶ waiting ──(backoff is over)──▶ writing the newest
 *
 * Nothing queues up: what was published while it wrote or waited is passed over for what is newest. A failure is counted
 * and told as a problem; publishing by HTTP, push and files goes on.
 *
 * All safety is in the conditions, so it asks the store first whether it keeps them: older ones take them for
 * headers that they do not know, and overwrite.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type DocumentReference, formatProblems, pointerKey, type TopologyPointer } from '@cellplane/contract'
import type { Automation } from '../leader/automation.ts'
import type { HeldDocument, Published } from '../topology/published.ts'
import type { ObjectStore, WriteCondition } from './object-store.ts'
import { planPointer, referTo } from './pointer.ts'

/** Doubling from the first to the last, each wait drawn from [half, whole]. */
const BACKOFF_MS = { first: 500, last: 60_000 }

/** With nothing new, how long it waits for a bell that rings when there is. */
const IDLE_MS = 30_000

/** Between reading the pointer and writing it, another may write. Who loses so often in a row waits with the backoff. */
const POINTER_TRIES_MAX = 3

/** What the log calls it. */
const PART = 's3'

export type ObjectPublishing = {
  published: Pick<Published, 'baseFor' | 'overlay' | 'changed'>
  store: ObjectStore
  fleet: string
  prefix: string
  automation: Pick<Automation, 'report'>
  onFailure(): void
  backoffMs?: { first: number; last: number }
}

/** Publishes until `signal` aborts; resolves then. Never rejects. */
export async function publishObjects(options: ObjectPublishing, signal: AbortSignal): Promise<void> {
  const { published, automation, backoffMs = BACKOFF_MS } = options
  const write = createWriter(options, signal)
  let failures = 0
  let done = ''
  while (!signal.aborted) {
    const base = published.baseFor()
    const overlay = published.overlay()
    const wanted = `${base?.etag} ${overlay?.etag}`
    if (!base || wanted === done) {
      await published.changed.wait(IDLE_MS, signal)
      continue
    }
    try {
      await write(base, overlay)
      done = wanted
      failures = 0
      automation.report(PART, null)
    } catch (error) {
      if (signal.aborted) return
      options.onFailure()
      const why = `the topology is not published as objects: ${(error as Error).message}`
      automation.report(PART, `${why}; it is tried again, and HTTP, push and files go on`)
      const waitMs = Math.min(backoffMs.first * 2 ** failures++, backoffMs.last)
      await delay(waitMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
    }
  }
}

function createWriter({ store, fleet, prefix }: ObjectPublishing, signal: AbortSignal) {
  let isStoreChecked = false
  /** Keys of what is known to be there. The newest of each kind: nothing else is asked for again. */
  const there = new Map<string, DocumentReference>()

  /**
   * The store is asked twice to write what must be absent, and has to refuse once; then to replace what has another tag than
   * it has, and has to refuse. There are stores that keep the one condition and have never heard of the other.
   */
  async function checkStore(): Promise<void> {
    if (isStoreChecked) return
    const key = `${prefix}/conditional-writes`
    const write = (condition: WriteCondition) =>
      store.write(key, 'cellplane checks that this is written once\n', condition, signal)
    if ((await write({ is: 'absent' })) && (await write({ is: 'absent' }))) {
      throw lacks('overwrites what it was asked to write only if absent', 'If-None-Match')
    }
    if (await write({ is: 'tag', tag: '"another"' })) {
      throw lacks('replaces what has changed since it was read', 'If-Match')
    }
    isStoreChecked = true
  }

  async function writeDocument(kind: 'base' | 'overlay', held: HeldDocument): Promise<DocumentReference> {
    const { text } = held
    const reference = referTo(prefix, kind, held)
    const { key } = reference
    const known = there.get(kind)
    if (known?.key === key && known.sha256 === reference.sha256) return known
    // One that is there already was written before a restart, or by the leader before.
    if (!(await store.write(key, text, { is: 'absent' }, signal))) {
      const found = await store.read(key, signal)
      if (found && found.text !== text) {
        throw new Error(
          `${key} is there already and says something else; give this control plane a prefix of its own`,
        )
      }
      if (!found) throw new Error(`${key} was refused as present and is not there`)
    }
    there.set(kind, reference)
    return reference
  }

  return async (base: HeldDocument, overlay: HeldDocument | null): Promise<void> => {
    await checkStore()
    const pointer: TopologyPointer = {
      format: 1,
      fleet,
      base: await writeDocument('base', base),
      overlay: overlay && (await writeDocument('overlay', overlay)),
    }
    const key = pointerKey(prefix)
    for (let tries = 0; tries < POINTER_TRIES_MAX; tries++) {
      const found = await store.read(key, signal)
      const plan = planPointer(found?.text, pointer)
      if (!plan.ok) throw new Error(`${key} is left alone: ${formatProblems(plan.problems)}`)
      if (plan.value === 'same') return
      const condition = found ? ({ is: 'tag', tag: found.tag } as const) : ({ is: 'absent' } as const)
      if (await store.write(key, `${JSON.stringify(pointer)}\n`, condition, signal)) return
    }
    throw new Error(`${key} was changed by another ${POINTER_TRIES_MAX} times while it was to be written`)
  }
}

function lacks(what: string, header: string): Error {
  return new Error(
    `the store ${what}; expected conditional writes (${header}); use a store that has them, or two control planes could undo ` +
      'each other',
  )
}
