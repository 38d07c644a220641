/** The page on which a person sees messages arrive. It loads itself again every two seconds; there is no script. */
import type { Counts, ShownMessage } from './inbox.ts'

export function renderPage(messages: readonly ShownMessage[], counts: Counts): string {
  const rows = messages.map(
    ({ at, channel, to, title, text }) => `
      <tr><td><time>${escapeHtml(at.slice(11, 19))}</time></td><td>${escapeHtml(channel)}</td><td>${escapeHtml(to)}</td>
          <td>${title === '' ? '' : `<strong>${escapeHtml(title)}</strong> `}${escapeHtml(text)}</td></tr>`,
  )
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="refresh" content="2">
  <meta name="viewport" content="width=device-width">
  <title>Messages that arrived</title>
  <style>
    :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
    body { margin: 2rem auto; max-width: 64rem; padding: 0 1rem }
    table { border-collapse: collapse; width: 100% }
    th, td { border-bottom: 1px solid #8884; padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top }
    td:last-child { overflow-wrap: anywhere; white-space: pre-line }
  </style>
</head>
<body>
  <h1>Messages that arrived</h1>
  <p>${counts.unique} messages: ${counts.by_channel.email} e-mail, ${counts.by_channel.sms} SMS, ${counts.by_channel.push} push.
     ${counts.duplicates} duplicates were recognised by their key and not shown.</p>
  <table>
    <thead><tr><th>UTC</th><th>Channel</th><th>To</th><th>Text</th></tr></thead>
    <tbody>${rows.join('') || '<tr><td colspan="4">Nothing yet.</td></tr>'}</tbody>
  </table>
</body>
</html>
`
}

/** Messages are tenants' input. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}
