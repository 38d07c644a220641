/**
 * E-mail over SMTP. The Message-ID is made from the delivery key, so that a mail server or a mailbox that sees the same one
 * twice can tell.
 *
 * The SMTP library is loaded with the first e-mail: a cell that sends none does not pay for it.
 */
import type { Transporter } from 'nodemailer'
import type { Message } from '../notification/notification.ts'
import { detailOf, type Provider, type SendResult } from './provider.ts'

export type EmailOptions = {
  /** smtp:// or smtps://, with credentials where the server wants them. */
  url: string
  from: string
}

/** Mail servers limit connections from one client; two keep a cell's worker busy. */
const CONNECTIONS_MAX = 2
const CONNECT_TIMEOUT_MS = 5000
/** Silence for this long ends an attempt. Far below the lease, so that no one else begins meanwhile. */
const SILENCE_TIMEOUT_MS = 10_000

export function createEmailProvider(options: EmailOptions): Provider {
  const domain = options.from.split('@').at(-1)!
  let transport: Promise<Transporter> | undefined

  return {
    async send({ to, subject, body, deliveryKey }: Message): Promise<SendResult> {
      transport ??= connect(options.url)
      try {
        const { response } = await (await transport).sendMail({
          from: options.from,
          to: { name: '', address: to },
          subject: subject ?? '',
          text: body,
          messageId: `<${deliveryKey}@${domain}>`,
        })
        return { outcome: 'delivered', detail: detailOf(response ?? 'accepted') }
      } catch (error) {
        return resultOf(error)
      }
    },
    close() {
      void transport?.then((open) => open.close())
    },
  }
}

async function connect(url: string): Promise<Transporter> {
  const { createTransport } = await import('nodemailer')
  const { protocol, hostname, port, username, password } = new URL(url)
  return createTransport({
    pool: true,
    host: hostname,
    port: Number(port) || (protocol === 'smtps:' ? 465 : 587),
    secure: protocol === 'smtps:',
    ...(username === ''
      ? {}
      : { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    maxConnections: CONNECTIONS_MAX,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
}

/** RFC 5321, section 4.2.1: 5xx is for ever; 4xx, and whatever is not an answer, may be better later. */
function resultOf(error: unknown): SendResult {
  const { responseCode, message } = error as { responseCode?: number; message: string }
  const detail = detailOf(message)
  return { outcome: responseCode !== undefined && responseCode >= 500 ? 'refused' : 'failed', detail }
}
