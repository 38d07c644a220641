/** Row of TLS: small requests over kept connections, with one certificate (P-256) and one cipher suite for all. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { whyNoTls } from '../contestants/cellplane.ts'
import type { Environment } from '../contestants/contestant.ts'
import { TLS_SUITE } from '../load/target.ts'
import { alternate, compile } from './alternate.ts'
import { measureRequests } from './requests.ts'
import { entriesOf, type Row } from './row.ts'

const OVER_TLS = { isTls: true }

export const tls: Row = {
  name: 'tls',
  about: `small requests over kept TLS 1.3 connections (${TLS_SUITE}, P-256)`,
  compared: 'cpuUsPerRequest',
  contestants: ['cellplane', 'haproxy-cell'],
  run(context) {
    const environment = { certificate: makeCertificate(context.environment.folder) }
    const why = whyNoTls({ ...context.environment, ...environment })
    const skipped: Record<string, string> =
      why === undefined ? {} : { cellplane: `it has no TLS yet: ${why}` }
    const entries = entriesOf(context)
      .filter(({ name }) => !(name in skipped) && TLS_CAPABLE.test(name))
      .map((entry) => ({ ...entry, environment }))
    return alternate(context, entries, {
      warmUp: (running, entry) => compile(context, running, entry, OVER_TLS),
      measure: (running, entry) => measureRequests(context, running, entry, OVER_TLS),
      skipped,
    })
  },
}

const TLS_CAPABLE = /^cellplane$|^haproxy-(cell|bare)/

function makeCertificate(folder: string): NonNullable<Environment['certificate']> {
  const certFile = join(folder, 'tls.crt')
  const keyFile = join(folder, 'tls.key')
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-subj', '/CN=api.bench.example', '-days', '2', '-keyout', keyFile, '-out', certFile],
  ])
  if (made.error)
    throw new Error('openssl is not installed; to have it: apt-get install openssl', { cause: made.error })
  if (made.status !== 0) throw new Error(`openssl could not make a certificate: ${made.stderr}`)
  return { certFile, keyFile }
}
