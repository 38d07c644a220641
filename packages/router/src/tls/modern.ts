/**
 * What this router speaks of TLS, to clients and to cells: 1.2 and 1.3, and of 1.2 only what has forward secrecy and
 * authenticated encryption. It is the "intermediate" set of Mozilla's guidelines without its DHE suites, which need
 * parameters of their own and which no client lacks an ECDHE suite for.
 *
 * AES-128 comes first: it costs the least on processors with AES instructions. A client that puts ChaCha20 first has none,
 * and gets ChaCha20.
 */
import { constants } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'

export const MODERN_CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

export const MIN_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

export type MinVersion = (typeof MIN_VERSIONS)[number]

/** Renegotiation is off: a client could have the server work for nothing, and nobody needs it. */
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_PRIORITIZE_CHACHA

export function contextOptions(minVersion: MinVersion, ciphers: string): SecureContextOptions {
  return { minVersion, ciphers, honorCipherOrder: true, secureOptions: SECURE_OPTIONS }
}
