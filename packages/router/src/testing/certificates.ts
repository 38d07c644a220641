/**
 * Certificates for tests: X.509 in DER, written by hand (RFC 5280), because node:crypto reads certificates but makes none,
 * and a test should need no program of the machine. ECDSA on P-256, as a real one would be.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'

export type Authority = { name: string; certPem: string; key: KeyObject }

export type Issued = { certPem: string; keyPem: string }

export type IssueOptions = {
  /** Names and IPv4 addresses that it covers; names may start with `*.`. */
  names: readonly string[]
  notAfter?: Date
}

const HOUR_MS = 3_600_000
const SEQUENCE = 0x30
const SET = 0x31
const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const UTF8_STRING = 0x0c
const GENERALIZED_TIME = 0x18
const TRUE = Buffer.from([0x01, 0x01, 0xff])

/** Object identifiers, encoded. */
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex')
const COMMON_NAME = Buffer.from('0603550403', 'hex')
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex')
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex')

export function createAuthority(name = 'an authority of the tests'): Authority {
  const { publicKey, privateKey } = newKeys()
  const isAuthority = der(SEQUENCE, BASIC_CONSTRAINTS, TRUE, der(OCTET_STRING, der(SEQUENCE, TRUE)))
  const notAfter = new Date(Date.now() + 24 * HOUR_MS)
  const certPem = certificate({ subject: name, issuer: name, publicKey, signer: privateKey, notAfter }, [
    isAuthority,
  ])
  return { name, certPem, key: privateKey }
}

export function issue(authority: Authority, { names, notAfter }: IssueOptions): Issued {
  const { publicKey, privateKey } = newKeys()
  const alternatives = names.map((name) =>
    isIP(name) === 4 ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name)),
  )
  const certPem = certificate(
    {
      subject: names[0]!,
      issuer: authority.name,
      publicKey,
      signer: authority.key,
      notAfter: notAfter ?? new Date(Date.now() + HOUR_MS),
    },
    [der(SEQUENCE, SUBJECT_ALT_NAME, der(OCTET_STRING, der(SEQUENCE, ...alternatives)))],
  )
  return { certPem, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })

type Content = {
  subject: string
  issuer: string
  publicKey: KeyObject
  signer: KeyObject
  notAfter: Date
}

function certificate(content: Content, extensions: readonly Buffer[]): string {
  const { subject, issuer, publicKey, signer, notAfter } = content
  const algorithm = der(SEQUENCE, ECDSA_WITH_SHA256)
  const notBefore = new Date(Math.min(Date.now(), notAfter.getTime()) - HOUR_MS)
  const toBeSigned = der(
    SEQUENCE,
    // Version 3, which has extensions.
    der(0xa0, der(INTEGER, Buffer.from([2]))),
    // The first bit is clear: a serial number is positive. The second is set: it starts with no zero byte.
    der(INTEGER, Buffer.concat([Buffer.from([0x40]), randomBytes(8)])),
    algorithm,
    nameOf(issuer),
    der(SEQUENCE, timeOf(notBefore), timeOf(notAfter)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, ...extensions)),
  )
  const signature = sign('sha256', toBeSigned, signer)
  const whole = der(SEQUENCE, toBeSigned, algorithm, der(BIT_STRING, Buffer.from([0]), signature))
  const lines = whole.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

const nameOf = (text: string) =>
  der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(text)))))

/** `20261121133500Z` */
const timeOf = (date: Date) =>
  der(GENERALIZED_TIME, Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, '')))

function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const digits = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | digits.length]), digits, content])
}
