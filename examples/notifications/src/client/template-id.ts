/** A template's name: the SHA-256 of its bytes, computed where the template is, so that every cell knows it by the same name. */

export type Template = { subject?: string; body: string }

export type NamedTemplate = { sha256: string; content: string }

/** `{{name}}` in subject and body is filled from the notification's data. */
export async function nameTemplate({ subject, body }: Template): Promise<NamedTemplate> {
  const content = JSON.stringify({ ...(subject === undefined ? {} : { subject }), body })
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(content))
  const sha256 = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return { sha256, content }
}
