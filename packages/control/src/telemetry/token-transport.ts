/** A bearer token goes over TLS or stays on this machine: whoever reads it on its way could use it. */
import { type Parsed, parsed, problem, refused } from '@cellplane/contract'

/** Of this machine: 127.0.0.0/8, ::1, localhost. */
const LOOPBACK = /^(127(\.\d{1,3}){3}|\[::1\]|localhost)$/

/** `path`: the field that has the URL. */
export function checkTokenTransport(url: string, path: string): Parsed<string> {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:' || LOOPBACK.test(hostname)) return parsed(url)
  const why = `found http to ${hostname}; with a token expected https, or an address of this machine: others could read the token on its way`
  return refused(problem('INVALID_VALUE', path, why))
}
