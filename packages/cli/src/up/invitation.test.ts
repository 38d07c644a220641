import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFleetFile } from '@cellplane/contract/fleet-file'
import { fleetText } from '../testing.ts'
import { formatInvitation } from './invitation.ts'

const URLS = {
  ...{
    router: 'http://127.0.0.1:7480',
    control: 'http://127.0.0.1:7400',
    openapi: 'http://127.0.0.1:7400/openapi.json',
  },
  routers: { 'router-1': 'http://127.0.0.1:7481' },
  local: { 'sinks.http': 'http://127.0.0.1:7491', 'sinks.smtp': 'smtp://127.0.0.1:7490' },
}

function invitation(partitionKey: string, more = 'cells: { count: 3 }', token?: string): string {
  const fleet = parseFleetFile(fleetText(more, partitionKey))
  if (!fleet.ok) throw new Error(JSON.stringify(fleet.problems))
  return formatInvitation({
    fleet: fleet.value,
    cells: 3,
    urls: URLS,
    token,
    seconds: 12.3,
    command: 'cellplane',
    hasTerminal: true,
  })
}

test('it says where everything is and how to stop it', () => {
  const text = invitation('{ from: header, name: x-tenant }')
  for (const part of [
    '3 cells and the quarantine cell, 1 router, after 12.3 s',
    ...Object.values(URLS.local),
    URLS.openapi,
    'Ctrl-C',
  ]) {
    assert.ok(text.includes(part), part)
  }
})

test('the command to try carries the key where the fleet looks for it', () => {
  const curlOf = (...args: Parameters<typeof invitation>) => /curl .*/.exec(invitation(...args))?.[0]
  assert.equal(
    curlOf('{ from: header, name: x-tenant }'),
    `curl -i -H 'x-tenant: acme' ${URLS.router}/healthz`,
  )
  assert.equal(
    curlOf('{ from: subdomain, domain: example.com }'),
    `curl -i -H 'host: acme.example.com' ${URLS.router}/healthz`,
  )
  assert.equal(curlOf('{ from: path, prefix: /t/ }'), `curl -i ${URLS.router}/t/acme/`)
  assert.equal(
    curlOf(
      '{ from: jwt, claim: sub }',
      'cells: { count: 3 }\nroutes: [{ path: /v1/*, failover: any }]',
      'TOKEN',
    ),
    `curl -i -H 'authorization: Bearer TOKEN' ${URLS.router}/v1/`,
  )
})

test('the fleet file’s own command gets the URLs, the token and the local ports', () => {
  const more = `cells: { count: 3 }
local:
  services: [{ name: sinks, run: x, ports: [smtp, http] }]
  try: |
    curl -H 'authorization: Bearer {token}' {router}/v1/x -d '{"to": "a", "t": "{tenant}"}'
    # see http://127.0.0.1:{sinks.http}/ {unknown}`
  const text = invitation('{ from: jwt, claim: sub }', more, 'TOKEN')
  assert.ok(
    text.includes(
      `  curl -H 'authorization: Bearer TOKEN' ${URLS.router}/v1/x -d '{"to": "a", "t": "acme"}'`,
    ),
  )
  assert.ok(text.includes('  # see http://127.0.0.1:7491/ {unknown}'))
})
