/**
 * The certificates that clients are served with: a default one, and others chosen by the name that a client asks for
 * (SNI). All are checked before any is used, and a reload takes all or none of them.
 *
 * A certificate that has expired is still served when there is no other: a router that starts again must not be a worse
 * outage than the expiry. It never takes the place of a valid one.
 */
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { ListenTls } from '../config.ts'
import type { Logger } from '../log.ts'
import { type CheckedCertificate, checkCertificate } from './certificate.ts'
import { contextOptions } from './modern.ts'
import { type NamedFile, type ReloadedFiles, startReloadedFiles } from './reloaded-files.ts'

export type ServerCertificates = {
  /** The default one first. */
  readonly list: readonly CheckedCertificate[]
  /** By the index in `list`. */
  readonly contexts: readonly SecureContext[]
  /** Of the default one. */
  readonly options: SecureContextOptions
}

export function startServerCertificates(
  settings: ListenTls,
  onReload: (certificates: ServerCertificates) => void,
  pollMs: number,
  log: Logger,
): Promise<ReloadedFiles<ServerCertificates>> {
  const named = [
    { field: 'listen.tls', server_names: [], ...settings },
    ...settings.certificates.map((entry, i) => ({ field: `listen.tls.certificates.${i}`, ...entry })),
  ]
  const files = named.flatMap(({ field, cert_file, key_file }): NamedFile[] => [
    { field: `${field}.cert_file`, file: cert_file },
    { field: `${field}.key_file`, file: key_file },
  ])
  const common = contextOptions(settings.min_version, settings.ciphers)

  function build(texts: readonly string[], previous: ServerCertificates | null): ServerCertificates {
    const now = Date.now()
    const list = named.map(({ field, cert_file, key_file, server_names }, i) =>
      checkCertificate({
        field,
        certFile: cert_file,
        cert: texts[2 * i]!,
        keyFile: key_file,
        key: texts[2 * i + 1]!,
        serverNames: server_names,
      }),
    )
    for (const [i, { field, certFile, notAfter }] of list.entries()) {
      if (notAfter.getTime() >= now) continue
      const why = `${field}.cert_file: ${certFile} expired on ${notAfter.toISOString()}; renew it`
      if (previous && previous.list[i]!.notAfter > notAfter) throw new Error(why)
      log.error('a certificate has expired; it is served because there is no other', { why })
    }
    const options = named.map((_, i) => ({ ...common, cert: texts[2 * i]!, key: texts[2 * i + 1]! }))
    return { list, contexts: options.map((one, i) => contextOf(named[i]!, one)), options: options[0]! }
  }

  return startReloadedFiles({ what: 'the certificates of listen.tls', files, build, onReload, pollMs, log })
}

function contextOf(
  { field, cert_file }: { field: string; cert_file: string },
  options: SecureContextOptions,
): SecureContext {
  try {
    return createSecureContext(options)
  } catch (error) {
    throw new Error(
      `${field}: ${cert_file} cannot be served with listen.tls.min_version and listen.tls.ciphers: ` +
        (error as Error).message,
      { cause: error },
    )
  }
}
