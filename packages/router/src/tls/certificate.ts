/**
 * A certificate and its key, checked as far as one can without a client: they parse, belong together, and cover
 * the names that they are to serve. A wrong file is found here, with its field, and not by the first client.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'

export type CertificateTexts = {
  /** Where the configuration has it: `listen.tls`, `listen.tls.certificates.0`, `cells_tls`. */
  field: string
  certFile: string
  cert: string
  keyFile: string
  key: string
  /** Names that it must cover. */
  serverNames: readonly string[]
}

export type CheckedCertificate = {
  readonly field: string
  readonly certFile: string
  readonly serverNames: readonly string[]
  readonly notAfter: Date
}

/** Throws with the field and the file of what is wrong. That it has expired is for the caller to judge. */
export function checkCertificate(texts: CertificateTexts): CheckedCertificate {
  const { field, certFile, keyFile, serverNames } = texts
  const leaf = checkIsCertificate(`${field}.cert_file: ${certFile}`, texts.cert)
  const key = parse(
    `${field}.key_file: ${keyFile} is no unencrypted PEM private key`,
    (): KeyObject => createPrivateKey(texts.key),
  )
  if (!leaf.checkPrivateKey(key)) {
    throw new Error(
      `${field}.key_file: ${keyFile} is not the key of the first certificate in ${certFile}; ` +
        'expected the key that it was issued for, and the server’s certificate before those of its issuers',
    )
  }
  const uncovered = serverNames.filter((name) => leaf.checkHost(name.replace(/^\*/, 'any')) === undefined)
  if (uncovered.length > 0) {
    throw new Error(
      `${field}.cert_file: ${certFile} does not cover ${uncovered.join(', ')} of server_names; ` +
        `it covers ${leaf.subjectAltName ?? 'no name'}`,
    )
  }
  return { field, certFile, serverNames, notAfter: new Date(leaf.validTo) }
}

/** The first certificate of a PEM text; throws when there is none. `where` names the field and the file. */
export function checkIsCertificate(where: string, text: string): X509Certificate {
  return parse(`${where} is no PEM certificate`, () => new X509Certificate(text))
}

function parse<T>(problem: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Error(`${problem}: ${(error as Error).message}`, { cause: error })
  }
}
