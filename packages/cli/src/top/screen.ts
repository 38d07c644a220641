/**
 * A terminal taken over for a live view, and given back as it was: another screen without cursor and line wrap, keys read
 * one by one. Whatever ends the program goes through `leave`.
 */
import type { ReadStream, WriteStream } from 'node:tty'

export type Screen = {
  /** Replaces what is shown, without clearing it first: nothing flickers. */
  draw(text: string): void
  /** As it was before. Safe to call twice. */
  leave(): void
}

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l'
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'
/** Raw mode turns Ctrl-C into a key. */
const QUIT_KEYS = ['q', 'Q', '\u0003', '\u0004']

type Output = Pick<WriteStream, 'write' | 'rows'>
type Input = Pick<ReadStream, 'isTTY' | 'setRawMode' | 'resume' | 'pause' | 'on' | 'off'>

/** A terminal that does not know its size says 0; then it is drawn as if it had room. */
export const knownSize = (size: number): number | undefined => (size > 0 ? size : undefined)

export function openScreen(output: Output, input: Input, onQuit: () => void): Screen {
  let isOpen = true
  const onKey = (key: Buffer) => {
    if (QUIT_KEYS.some((quit) => key.includes(quit))) onQuit()
  }
  output.write(ENTER)
  if (input.isTTY) {
    input.setRawMode(true)
    input.on('data', onKey)
    input.resume()
  }
  return {
    draw(text) {
      if (!isOpen) return
      const lines = text.split('\n').slice(0, knownSize(output.rows))
      output.write(`${HOME}${lines.map((line) => line + CLEAR_LINE).join('\r\n')}${CLEAR_BELOW}`)
    },
    leave() {
      if (!isOpen) return
      isOpen = false
      if (input.isTTY) {
        input.off('data', onKey)
        input.setRawMode(false)
        input.pause()
      }
      output.write(LEAVE)
    },
  }
}
