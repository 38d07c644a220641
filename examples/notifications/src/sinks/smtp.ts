/** A mail server that keeps what it is sent: real SMTP, no encryption, for local use. */
import { SMTPServer, type SMTPServerDataStream } from 'smtp-server'
import type { Faults } from './faults.ts'
import type { Inbox } from './inbox.ts'
import { type Mail, parseMail } from './mail.ts'

/** Well above the longest notification. */
const MAIL_BYTES_MAX = 1024 * 1024
const CONNECTIONS_MAX = 200
/** Clients keep pooled connections open; a sink that stops does not wait for them. */
const CLOSE_TIMEOUT_MS = 500

export type SmtpSink = { port: number; stop(): Promise<void> }

export async function startSmtpSink(
  inbox: Inbox,
  faults: Faults,
  listen: { host: string; port: number },
): Promise<SmtpSink> {
  const take = takeInto(inbox, faults)
  const server = new SMTPServer({
    banner: 'cellplane example sink',
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    size: MAIL_BYTES_MAX,
    maxClients: CONNECTIONS_MAX,
    // A name look-up for each client would only slow it down.
    disableReverseLookup: true,
    closeTimeout: CLOSE_TIMEOUT_MS,
    onData(stream, { envelope }, done) {
      readAll(stream).then((source) => take(parseMail(source), envelope.rcptTo, done), done)
    },
  })
  // A client that is cut off is no news to a sink.
  server.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject)
    server.listen(listen.port, listen.host, () => resolve())
  })
  const { port } = server.server.address() as { port: number }
  return {
    port,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

type Done = (error?: Error | null, message?: string) => void

/** The server's verdict on a mail, by the faults on order: `done` with an error is an SMTP refusal. */
function takeInto(inbox: Inbox, faults: Faults) {
  return (mail: Mail, recipients: { address: string }[], done: Done): void => {
    const fault = faults.next()
    if (fault === 'hang') return
    if (fault === undefined || fault === 'lost-answer') {
      const to = recipients.map(({ address }) => address).join(', ')
      const key = /^<([^@>]+)@/.exec(mail.messageId)?.[1] ?? mail.messageId
      inbox.take({ channel: 'email', key, to, title: mail.subject, text: mail.text })
    }
    done(fault && refusal(REFUSALS[fault]), 'taken')
  }
}

/** RFC 5321's reply codes: 4xx for now, 5xx for ever. */
const REFUSALS = {
  unavailable: [451, 'try again later'],
  reject: [550, 'no such mailbox'],
  'lost-answer': [421, 'taken, but nobody will know'],
} as const

function refusal([responseCode, message]: readonly [number, string]): Error {
  return Object.assign(new Error(message), { responseCode })
}

async function readAll(stream: SMTPServerDataStream): Promise<string> {
  const chunks: Buffer[] = []
  // What is too long is read to its end, as the protocol wants it, and not kept.
  for await (const chunk of stream as AsyncIterable<Buffer>) if (!stream.sizeExceeded) chunks.push(chunk)
  if (stream.sizeExceeded) throw refusal([552, `a mail has at most ${MAIL_BYTES_MAX} bytes`])
  // Byte by byte: the encoding is only known when the header is read.
  return Buffer.concat(chunks).toString('latin1')
}
