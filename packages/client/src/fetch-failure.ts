/** Why a fetch failed, for people: fetch itself says `fetch failed` and keeps the reason in `cause`. */
export function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string }
  return cause?.code ?? cause?.message ?? message ?? String(error)
}
