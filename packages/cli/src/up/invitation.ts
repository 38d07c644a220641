/** What `cellplane up` prints once the fleet serves: where everything is, a command to try that works when pasted, and how to stop. */
import type { FleetFile } from '@cellplane/contract/fleet-file'
import type { UpRecord } from '../fleet/up-record.ts'
import { count } from '../output/print.ts'
import { bold } from '../output/style.ts'
import { formatPairs } from '../output/table.ts'

/** The tenant of the example command. */
export const EXAMPLE_TENANT = 'acme'

export type InvitationInput = {
  fleet: FleetFile
  /** Serving cells that the registry has active: on a fleet that ran before, not those of the file. */
  cells: number
  urls: UpRecord['urls']
  /** For EXAMPLE_TENANT; undefined when the fleet uses no tokens, or those of somebody else. */
  token: string | undefined
  seconds: number
  /** How the user calls the CLI. */
  command: string
  /** Whether there is a terminal for a Ctrl-C. */
  hasTerminal: boolean
}

export function formatInvitation(input: InvitationInput): string {
  const { fleet, cells, urls, seconds, command } = input
  const absorber = fleet.quarantine.enabled ? ' and the quarantine cell' : ''
  const routers = count(Object.keys(urls.routers).length, 'router')
  const indent = (text: string) => text.replace(/^(?=.)/gm, '  ')
  const places: [string, string][] = [
    ['router', urls.router],
    ['API', `${urls.control}   (needs the token in \`${command} token --admin\`)`],
    ['OpenAPI', urls.openapi],
    ...Object.entries(urls.routers).map(([name, url]): [string, string] => [name, `${url}/metrics`]),
    ...Object.entries(urls.local),
  ]
  return [
    `${bold(fleet.fleet)} serves: ${count(cells, 'cell')}${absorber}, ${routers}, after ${seconds.toFixed(1)} s`,
    indent(formatPairs(places)),
    `${bold('Try it')}\n${indent(tryText(input))}`,
    `${bold('Then')}\n${indent(
      [
        `${command} status              cells, routers and the blast radius`,
        `${command} tenant route ${EXAMPLE_TENANT}   where a tenant's requests go, and why`,
        `${command} logs -f             what everything prints`,
      ].join('\n'),
    )}`,
    `Stop it with ${input.hasTerminal ? 'Ctrl-C, or in another terminal with ' : ''}\`${command} down\`. A second start finds its data again.`,
  ].join('\n\n')
}

/** The fleet file's own `local.try`, or a GET with the key where the fleet looks for it. */
function tryText(input: InvitationInput): string {
  const { fleet, urls, token } = input
  if (fleet.local.try === undefined) return defaultTry(input)
  const values: Record<string, string | undefined> = { router: urls.router, token, tenant: EXAMPLE_TENANT }
  for (const [name, url] of Object.entries(urls.local)) values[name] = new URL(url).port
  return fleet.local.try
    .trimEnd()
    .replace(/\{([a-z0-9_.-]+)\}/g, (whole, name: string) => values[name] ?? whole)
}

function defaultTry({ fleet, urls, token }: InvitationInput): string {
  const path = readablePath(fleet)
  const rule = fleet.partition_key.rules[0]!
  switch (rule.from) {
    case 'jwt':
      return token === undefined
        ? `curl -i -H "authorization: Bearer $TOKEN" ${urls.router}${path}   # a token of ${fleet.tokens?.issuer}`
        : `curl -i -H 'authorization: Bearer ${token}' ${urls.router}${path}`
    case 'subdomain':
      return `curl -i -H 'host: ${EXAMPLE_TENANT}.${rule.domain}' ${urls.router}${path}`
    case 'path':
      return `curl -i ${urls.router}${rule.prefix}${EXAMPLE_TENANT}/`
    case 'query':
      return `curl -i '${urls.router}${path}?${rule.name}=${EXAMPLE_TENANT}'`
    case 'cookie':
      return `curl -i -H 'cookie: ${rule.name}=${EXAMPLE_TENANT}' ${urls.router}${path}`
    case 'sni': {
      const { port } = new URL(urls.router)
      const name = `${EXAMPLE_TENANT}.${rule.domain}`
      return `curl -ik --resolve ${name}:${port}:127.0.0.1 https://${name}:${port}${path}   # where routers speak TLS`
    }
    default:
      return `curl -i -H '${rule.from === 'header' ? rule.name : rule.from}: ${EXAMPLE_TENANT}' ${urls.router}${path}`
  }
}

/** The first route that can be read without an id; else the health path, which every cell answers. */
function readablePath(fleet: FleetFile): string {
  const route = fleet.routes.find(
    ({ methods, path }) => (methods === undefined || methods.includes('GET')) && !path.includes('{'),
  )
  return route ? route.path.replace(/\*$/, '') : fleet.health.path
}
