/** Where the topology is published as objects: the section `publish.s3` of the configuration, and the credentials that it names. */
import { readFile, stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { type Parsed, parsed, parseWith, problem, refused } from '@cellplane/contract'
import { about, httpUrl, strictObject, text } from '@cellplane/contract/schema'
import * as v from 'valibot'

export const s3ConfigSchema = strictObject({
  endpoint: about(
    httpUrl,
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
  credentials_file: about(
    v.pipe(v.string(), v.check(isAbsolute, 'an absolute path is expected')),
    'JSON, 0600: { "access_key_id", "secret_access_key", and "session_token" where there is one }. Read anew for each request.',
  ),
})
export type S3Config = v.InferOutput<typeof s3ConfigSchema>

const credentialsSchema = strictObject({
  access_key_id: text(1, 256),
  secret_access_key: text(1, 1024),
  session_token: v.optional(text(1, 16_384)),
})
export type S3Credentials = v.InferOutput<typeof credentialsSchema>

/** Group and others. */
const OTHERS = 0o077

/** Problems never quote what the file holds. */
export async function readS3Credentials(file: string): Promise<Parsed<S3Credentials>> {
  try {
    const { mode } = await stat(file)
    if ((mode & OTHERS) !== 0 && process.platform !== 'win32') {
      const why = `${file} has mode 0${(mode & 0o777).toString(8)}; expected 0600: others can read the secret; chmod it`
      return refused(problem('INVALID_VALUE', '', why))
    }
    return parseWith(credentialsSchema, JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === undefined
      ? refused(problem('INVALID_JSON', '', `${file} is not JSON`))
      : refused(problem('FILE_UNREADABLE', '', `${file} cannot be read (${code})`))
  }
}

/** Undefined where nothing is to be published. */
export async function checkS3Config(s3: S3Config | undefined): Promise<Parsed<S3Config | undefined>> {
  if (!s3) return parsed(undefined)
  const credentials = await readS3Credentials(s3.credentials_file)
  if (credentials.ok) return parsed(s3)
  const path = 'publish.s3.credentials_file'
  return {
    ok: false,
    problems: credentials.problems.map((one) => ({ ...one, path: one.path ? `${path}.${one.path}` : path })),
  }
}
