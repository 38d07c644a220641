/** The file of credentials: closed to others, read anew each time, and never quoted in a message. */
import { readFile, stat } from 'node:fs/promises'
import { type Parsed, parseWith, problem, refused } from '@cellplane/contract'
import { strictObject, text } from '@cellplane/contract/schema'
import * as v from 'valibot'

const credentialsSchema = strictObject({
  access_key_id: text(1, 256),
  secret_access_key: text(1, 1024),
  session_token: v.optional(text(1, 16_384)),
})
type Credentials = v.InferOutput<typeof credentialsSchema>

/** Group and others. */
const OTHERS = 0o077

export async function readCredentials(file: string): Promise<Parsed<Credentials>> {
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
