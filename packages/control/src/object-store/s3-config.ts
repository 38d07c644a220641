/** Where the topology is published as objects: the section `publish.s3` of the configuration. Who writes has to sign. */
import { type Parsed, parsed } from '@cellplane/contract'
import { strictObject } from '@cellplane/contract/schema'
import { readCredentials } from '@cellplane/object-store'
import { credentialsFileSchema, storeLocationSchema } from '@cellplane/object-store/config'
import type * as v from 'valibot'

export const s3ConfigSchema = strictObject({
  ...storeLocationSchema.entries,
  credentials_file: credentialsFileSchema,
})
export type S3Config = v.InferOutput<typeof s3ConfigSchema>

/** Undefined where nothing is to be published. */
export async function checkS3Config(s3: S3Config | undefined): Promise<Parsed<S3Config | undefined>> {
  if (!s3) return parsed(undefined)
  const credentials = await readCredentials(s3.credentials_file)
  if (credentials.ok) return parsed(s3)
  const path = 'publish.s3.credentials_file'
  return {
    ok: false,
    problems: credentials.problems.map((one) => ({ ...one, path: one.path ? `${path}.${one.path}` : path })),
  }
}
