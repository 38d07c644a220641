/**
 * One request to a store that speaks S3, ready to be sent by whatever sends requests: its URL, and its headers signed by
 * Signature Version 4 (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html).
 *
 * It does not send: the control plane has `fetch`, which a router does without for its memory's sake. The bucket is in the
 * path, which every store of the kind understands. The body's hash is part of what is signed, so a body that was changed on
 * the way is refused by the store.
 */
import { createHash } from 'node:crypto'
import { type Parsed, parsed } from '@cellplane/contract'
import { AwsV4Signer } from 'aws4fetch'
import type { StoreAccess } from './config.ts'
import { readCredentials } from './credentials.ts'

type ObjectRequest = {
  method: 'GET' | 'PUT'
  key: string
  /** Conditions among them: what is not signed can be changed on the way. */
  headers: Readonly<Record<string, string>>
  body?: string | undefined
}

type PreparedRequest = { url: string; headers: Record<string, string> }

export function objectUrl({ endpoint, bucket }: StoreAccess, key: string): string {
  return `${endpoint.replace(/\/+$/, '')}/${bucket}/${key}`
}

/** Good for some minutes. Problems are those of the file of credentials. */
export async function prepareRequest(
  access: StoreAccess,
  { method, key, headers, body }: ObjectRequest,
): Promise<Parsed<PreparedRequest>> {
  const url = objectUrl(access, key)
  if (access.credentials_file === undefined) return parsed({ url, headers: { ...headers } })
  const credentials = await readCredentials(access.credentials_file)
  if (!credentials.ok) return credentials
  const { access_key_id, secret_access_key, session_token } = credentials.value
  const signer = new AwsV4Signer({
    ...{ method, url, service: 's3', region: access.region },
    headers: { ...headers, 'x-amz-content-sha256': sha256Hex(body ?? '') },
    ...(body === undefined ? {} : { body }),
    ...{ accessKeyId: access_key_id, secretAccessKey: secret_access_key },
    ...(session_token === undefined ? {} : { sessionToken: session_token }),
  })
  const signed = await signer.sign()
  return parsed({ url: signed.url.href, headers: Object.fromEntries(signed.headers) })
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
