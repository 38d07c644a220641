/**
 * Reads answers on one connection and proves that each is what the upstream said.
 *
 * The generator shares its core with the upstreams, so the ordinary answer is accepted by looking at a dozen bytes:
 * the status, the end of the head (found from the end, as the body's length is known) and the last byte, which is the
 * cell. Whatever does not look like that, in pieces or with another body, and one answer in 256 in any case, is parsed.
 */
import { ANSWER_BODY_BYTES } from '../workload.ts'

/** A power of two. */
const PARSED_ONE_IN = 256
const HEAD_BYTES_MAX = 16_384
const CR = 13
const LF = 10
const ZERO = 48

export type AnswerReader = {
  /** Takes what was read; returns the cell's number when the answer is complete, −1 while it is not. Throws when it is wrong. */
  take(bytes: number, buffer: Uint8Array): number
}

/** `bodyBytes` is what each answer must have. */
export function createAnswerReader(bodyBytes: number = ANSWER_BODY_BYTES): AnswerReader {
  let answers = 0
  let head = ''
  let bodyLeft = -1
  let lastByte = 0

  /** Takes a part that is not a whole ordinary answer. */
  function takePart(bytes: number, buffer: Buffer): number {
    let from = 0
    if (bodyLeft < 0) {
      const before = head.length
      head += buffer.toString('latin1', 0, Math.min(bytes, HEAD_BYTES_MAX))
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) {
        if (head.length > HEAD_BYTES_MAX) throw new Error(`an answer's head has no end: ${preview(head)}`)
        return -1
      }
      from = end + 4 - before
      bodyLeft = checkHead(head.slice(0, end), bodyBytes)
    }
    const part = bytes - from
    if (part > bodyLeft) {
      throw new Error(
        `${part - bodyLeft} bytes follow an answer: ${preview(buffer.toString('latin1', from, bytes))}`,
      )
    }
    bodyLeft -= part
    if (part > 0) lastByte = buffer[bytes - 1]!
    if (bodyLeft > 0) return -1
    head = ''
    bodyLeft = -1
    answers++
    return cellOf(lastByte)
  }

  return {
    take(bytes, buffer) {
      const headEnd = bytes - ANSWER_BODY_BYTES
      const isOrdinary =
        bodyLeft < 0 &&
        head === '' &&
        bodyBytes === ANSWER_BODY_BYTES &&
        (answers & (PARSED_ONE_IN - 1)) !== 0 &&
        headEnd > 16 &&
        buffer[9] === 50 &&
        buffer[10] === ZERO &&
        buffer[11] === ZERO &&
        buffer[headEnd - 1] === LF &&
        buffer[headEnd - 2] === CR &&
        buffer[headEnd - 3] === LF &&
        buffer[headEnd - 4] === CR
      if (!isOrdinary) return takePart(bytes, buffer as Buffer)
      answers++
      return cellOf(buffer[bytes - 1]!)
    },
  }
}

/** The body's length, when the head is that of a good answer. */
function checkHead(head: string, bodyBytes: number): number {
  if (!/^HTTP\/1\.1 200 /.test(head)) throw new Error(`expected status 200, found: ${preview(head)}`)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (Number(length) !== bodyBytes) {
    throw new Error(`expected content-length ${bodyBytes}, found: ${preview(head)}`)
  }
  return bodyBytes
}

function cellOf(byte: number): number {
  const cell = byte - ZERO
  if (cell < 0 || cell > 9) throw new Error(`an answer's last byte is ${byte}; expected a cell's digit`)
  return cell
}

function preview(text: string): string {
  return JSON.stringify(text.slice(0, 400))
}
