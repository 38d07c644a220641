/** A tenant's templates, by the SHA-256 of their content. */
import type { Database } from './database.ts'

/** Uploading again what is there already changes nothing but the time of use. */
export async function putTemplate(
  database: Database,
  tenant: string,
  sha256: string,
  content: Uint8Array,
): Promise<void> {
  await database.query(
    `INSERT INTO template (tenant, sha256, content) VALUES ($1, $2, $3)
     ON CONFLICT (tenant, sha256) DO UPDATE SET used_at = now()`,
    [tenant, sha256, content],
  )
}

/** A template in steady use is written to once an hour, not on each send. */
const TOUCH = `UPDATE template SET used_at = now() WHERE tenant = $1 AND sha256 = $2`

export async function getTemplate(
  database: Database,
  tenant: string,
  sha256: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const [row] = await database.query<{ content: Uint8Array<ArrayBuffer>; was_long_unused: boolean }>(
    `SELECT content, used_at < now() - interval '1 hour' AS was_long_unused
     FROM template WHERE tenant = $1 AND sha256 = $2`,
    [tenant, sha256],
  )
  if (row?.was_long_unused) await database.query(TOUCH, [tenant, sha256])
  return row?.content
}
