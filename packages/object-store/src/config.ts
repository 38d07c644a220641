/**
 * Where a topology's objects are, as a section of a configuration file: the same words in the control plane's, which writes there, and in a
 * router's, which reads. It is an entry of its own (`@cellplane/object-store/config`), because every router parses its
 * configuration and few of them sign requests.
 */
import { isAbsolute } from 'node:path'
import { about, receiverBaseUrl, strictObject, text } from '@cellplane/contract/schema'
import * as v from 'valibot'

export const storeLocationSchema = strictObject({
  endpoint: about(
    receiverBaseUrl,
    'The store, for example https://s3.eu-central-1.amazonaws.com. The bucket is named in the path.',
  ),
  bucket: v.pipe(
    v.string(),
    v.regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of a bucket is expected'),
  ),
  prefix: v.optional(
    about(
      v.pipe(
        v.string(),
        v.maxLength(256),
        v.regex(
          /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/,
          'expected words with / between them',
        ),
      ),
      'What the keys begin with. Each fleet has its own.',
    ),
    'cellplane',
  ),
  region: v.optional(text(1, 64), 'us-east-1'),
})

export const credentialsFileSchema = about(
  v.pipe(v.string(), v.check(isAbsolute, 'an absolute path is expected')),
  'JSON, 0600: { "access_key_id", "secret_access_key", and "session_token" where there is one }. Read anew for each request.',
)

/** Without a file requests go unsigned: to a bucket that anybody may read, or a proxy that signs. */
export type StoreAccess = v.InferOutput<typeof storeLocationSchema> & {
  credentials_file?: string | undefined
}
