/** Colour, for people at a terminal only: none into a pipe or file, none with NO_COLOR, as util.styleText decides. */
import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

const on = (stream: NodeJS.WriteStream, style: Style) => (text: string) => styleText(style, text, { stream })

export const bold = on(process.stdout, 'bold')
export const dim = on(process.stdout, 'dim')
export const good = on(process.stdout, 'green')
export const bad = on(process.stdout, 'red')
export const warning = on(process.stdout, 'yellow')
export const errorStyle = on(process.stderr, ['red', 'bold'])
