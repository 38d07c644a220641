/** Reads every notification that was accepted by its id, through the routers: each must be found, whichever cells its customer has by now. */

/** As many as a browser opens to one host, twice. */
const READERS = 12
const ANSWER_TIMEOUT_MS = 15_000

export type Accepted = { tenant: string; id: string }

/** How often each answer came: `{ "200": 2134 }` when all is found. */
export async function readBack(
  routerUrl: string,
  tokens: ReadonlyMap<string, string>,
  accepted: readonly Accepted[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  let next = 0
  async function reader() {
    for (let one = accepted[next++]; one !== undefined; one = accepted[next++]) {
      const answer = await read(routerUrl, tokens.get(one.tenant) ?? '', one.id)
      counts[answer] = (counts[answer] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: READERS }, reader))
  return counts
}

async function read(routerUrl: string, token: string, id: string): Promise<string> {
  try {
    const response = await fetch(`${routerUrl}/v1/notifications/${id}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    })
    const body = (await response.json()) as { id?: unknown }
    return response.ok && body.id !== id ? 'another notification' : String(response.status)
  } catch (error) {
    return (error as Error).name
  }
}
