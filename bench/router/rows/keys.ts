/**
 * Row of the key: a verified token (EdDSA; all 8,192 were seen before, so their verification is remembered) against a
 * header, in requests of the same length. HAProxy 2.6 does not verify EdDSA, so the router is its own yardstick.
 */
import type { RequestKind } from '../load/target.ts'
import { alternate, compile } from './alternate.ts'
import { measureRequests } from './requests.ts'
import type { Entry, Row } from './row.ts'

type KeyedEntry = Entry & { requests: RequestKind }

export const tokenKey: Row = {
  name: 'token-key',
  about: 'a verified token as the key, against a header as the key in a request as long',
  compared: 'cpuUsPerRequest',
  contestants: ['cellplane'],
  run(context) {
    const entries: KeyedEntry[] = context.contestants
      .filter(({ name }) => name === 'cellplane')
      .flatMap((contestant) => [
        { name: 'cellplane, header', contestant, requests: 'header-as-token' },
        {
          name: 'cellplane, token',
          contestant,
          requests: 'token',
          environment: { issuer: context.issuer },
        },
      ])
    const requestsOf = (entry: Entry) => ({ requests: (entry as KeyedEntry).requests })
    return alternate(context, entries, {
      async warmUp(running, entry) {
        await compile(context, running, entry, requestsOf(entry), context.effort.tokensSeen)
      },
      measure: (running, entry) => measureRequests(context, running, entry, requestsOf(entry)),
    })
  },
}
