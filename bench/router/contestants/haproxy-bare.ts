/** HAProxy without cell routing: what a request costs when it only passes, parsed (`bare`) and not even parsed (`tcp`). */
import type { Contestant } from './contestant.ts'
import { haproxyContestant } from './haproxy.ts'

export const haproxyBare: Contestant = haproxyContestant('haproxy-bare', false, (bind, { ports }) => ({
  text: `
frontend public
  ${bind}
  default_backend cells

backend cells
  ${serversOf(ports)}
`,
}))

export const haproxyTcp: Contestant = haproxyContestant('haproxy-tcp', false, (bind, { ports }) => ({
  text: `
frontend public
  mode tcp
  ${bind}
  default_backend cells

backend cells
  mode tcp
  ${serversOf(ports)}
`,
}))

function serversOf(ports: readonly number[]): string {
  return ports.map((port, i) => `server cell-${i} 127.0.0.1:${port}`).join('\n  ')
}
