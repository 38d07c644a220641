/** A template and its data → the final text. Plain text only, so nothing needs escaping. */
import { BODY_CHARACTERS_MAX, type Template } from './send-request.ts'

export type Filled =
  | { ok: true; subject: string | null; body: string }
  | { ok: false; problems: { code: string; path: string; message: string }[] }

type Data = Readonly<Record<string, string | number | boolean>>

const PLACEHOLDER = /\{\{\s*([a-z][a-z0-9_]{0,63})\s*\}\}/g

/** Refuses a placeholder without a value: a recipient must never read "Dear {{name}}". */
export function fillTemplate(template: Template, data: Data): Filled {
  const texts = [template.subject ?? '', template.body]
  const names = new Set(texts.flatMap((text) => [...text.matchAll(PLACEHOLDER)].map((match) => match[1]!)))
  const missing = [...names].filter((name) => !Object.hasOwn(data, name))
  if (missing.length > 0) {
    return {
      ok: false,
      problems: missing.map((name) => ({
        code: 'MISSING',
        path: `data.${name}`,
        message: `the template has {{${name}}}; give it a value`,
      })),
    }
  }
  // Checked before anything is built: 16,000 placeholders with 64 KB each would be a gigabyte.
  if (texts.some((text) => filledLength(text, data) > BODY_CHARACTERS_MAX)) {
    const message = `the filled template has more than ${BODY_CHARACTERS_MAX} characters; shorten the values`
    return { ok: false, problems: [{ code: 'TOO_LARGE', path: 'data', message }] }
  }
  const fill = (text: string) => text.replace(PLACEHOLDER, (_, name: string) => String(data[name]))
  const subject = template.subject === undefined ? null : fill(template.subject).replace(/[\r\n\t]+/g, ' ')
  return { ok: true, subject, body: fill(template.body) }
}

function filledLength(text: string, data: Data): number {
  let length = text.length
  for (const [placeholder, name] of text.matchAll(PLACEHOLDER)) {
    length += String(data[name!]).length - placeholder.length
  }
  return length
}
