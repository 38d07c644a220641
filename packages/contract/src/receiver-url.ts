/**
 * URLs that something is sent to: spans, alerts, questions. Told without a schema library, since the processes of a cell
 * ask it too.
 */

/** As it is given: nothing is trimmed, completed or escaped. */
export const isHttpUrl = (text: string): boolean => /^https?:\/\/[^\s]+$/i.test(text) && URL.canParse(text)

/** A user and a password in it would be shown wherever configuration is; and `fetch` takes no such URL, and quotes it. */
export function isReceiverUrl(text: string): boolean {
  if (!isHttpUrl(text)) return false
  const { username, password } = new URL(text)
  return username === '' && password === ''
}
