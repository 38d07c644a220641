/** What operators see of TLS: which certificates are in use and until when, and how reloads and handshakes went. */
import type { ReloadedFiles } from '../tls/reloaded-files.ts'
import type { RouterState } from './router-state.ts'

/** Null without TLS. */
export function tlsStatus(state: RouterState) {
  const { listener, cells } = state.tls()
  if (!listener && !cells) return null
  const own = cells?.current.certificate
  return {
    certificates: [...(listener?.certificates.current.list ?? []), ...(own ? [own] : [])].map(
      ({ field, certFile, serverNames, notAfter }) => ({
        field,
        cert_file: certFile,
        server_names: serverNames,
        not_after: notAfter.toISOString(),
      }),
    ),
    files: Object.fromEntries(reloadedOf(state).map(([field, files]) => [field, filesStatus(files)])),
    handshakes: listener?.handshakes ?? 0,
    failed_handshakes: listener?.counters.failed ?? 0,
    refused_handshakes: listener?.counters.refused ?? 0,
    reset_floods: listener?.counters.resetFloods ?? 0,
  }
}

/** What is reloaded, by its field in the configuration. */
export function reloadedOf(state: RouterState): [field: string, files: ReloadedFiles<unknown>][] {
  const { listener, cells } = state.tls()
  return [
    ...(listener ? [['listen.tls', listener.certificates] satisfies [string, unknown]] : []),
    ...(cells ? [['cells_tls', cells] satisfies [string, unknown]] : []),
  ]
}

const filesStatus = ({ loadedAt, reloads, refused, lastRefusal }: ReloadedFiles<unknown>) => ({
  loaded_at: loadedAt.toISOString(),
  reloads,
  refused_reloads: refused,
  last_refusal: lastRefusal,
})
