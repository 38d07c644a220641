/** For work that many cells ask for and one does: a piece is done once per name and version; after a failure it may be tried again. */
export class OncePerVersion {
  readonly #latest = new Map<string, { version: string; done: Promise<void> }>()

  run(name: string, version: string, work: () => Promise<void>): Promise<void> {
    const known = this.#latest.get(name)
    if (known?.version === version) return known.done
    const done = work().catch((error) => {
      if (this.#latest.get(name)?.done === done) this.#latest.delete(name)
      throw error
    })
    this.#latest.set(name, { version, done })
    return done
  }
}
