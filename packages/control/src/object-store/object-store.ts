/**
 * The port to a store of objects, as much of it as publishing needs: read one, and write one under a condition. Without the
 * condition two control planes could overwrite each other, so there is no write without one.
 */

/** `absent`: there is no such object yet. `tag`: it is still the one that was read with that entity tag. */
export type WriteCondition = { is: 'absent' } | { is: 'tag'; tag: string }

export type StoredObject = { text: string; tag: string }

/** Everything else that happens is thrown: an Error that says what the store answered, and holds no secret. */
export type ObjectStore = {
  /** Undefined when there is none. */
  read(key: string, signal: AbortSignal): Promise<StoredObject | undefined>
  /** False when the condition did not hold; then nothing was written. */
  write(key: string, text: string, condition: WriteCondition, signal: AbortSignal): Promise<boolean>
}
