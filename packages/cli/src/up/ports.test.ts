import assert from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { type FleetFile, parseFleetFile } from '@cellplane/contract/fleet-file'
import { fleetText } from '../testing.ts'
import { checkPlan, describeTaken, findTaken, planPorts } from './ports.ts'

const FLAGS = {
  ...{ controlPort: 7400, routerPort: 7480, routerAdminPort: 7481 },
  ...{ cellPortBase: 7500, localPort: 7490, routers: 2 },
}

function fleetOf(more: string): FleetFile {
  const fleet = parseFleetFile(fleetText(more))
  if (!fleet.ok) throw new Error(JSON.stringify(fleet.problems))
  return fleet.value
}

const SINKS = `cells: { count: 2 }
local: { services: [{ name: sinks, run: x, ports: [smtp, http] }] }`

test('every fixed port is planned, as the architecture has it', () => {
  const plan = planPorts(fleetOf(SINKS), FLAGS)
  assert.deepEqual(
    plan.planes.map(({ port }) => port),
    [7400, 7401, 7480, 7481, 7482, 7490, 7491],
  )
  assert.deepEqual(
    plan.cells.map(({ port, what }) => `${port} ${what}`),
    [
      ...[
        '7500 cell-001’s PostgreSQL',
        '7501 cell-001’s app',
        '7510 cell-002’s PostgreSQL',
        '7511 cell-002’s app',
      ],
      ...['7520 quarantine’s PostgreSQL', '7521 quarantine’s app'],
    ],
  )
  assert.equal(plan.local.get('sinks')?.get('http'), 7491)
  assert.deepEqual(checkPlan([...plan.planes, ...plan.cells]), [])
})

test('a cell without a server of its own needs no port for one', () => {
  const plan = planPorts(fleetOf('cells: { count: 2, database: none }'), FLAGS)
  assert.deepEqual(
    plan.cells.map(({ port }) => port),
    [7501, 7511, 7521],
  )
})

test('ports that two flags give away, and ports that are too high, are refused with both flags', () => {
  const plan = planPorts(fleetOf(SINKS), { ...FLAGS, routerPort: 7401, cellPortBase: 65_530 })
  const problems = checkPlan([...plan.planes, ...plan.cells])
  assert.match(
    problems[0]!.message,
    /port 7401 would be the routers, and the control plane’s PostgreSQL by --control-port/,
  )
  assert.ok(problems.some(({ code, path }) => code === 'PORT_TOO_HIGH' && path === '--cell-port-base'))
})

test('taken ports are a line each with what they are for, and the flags are named once', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const [problem, ...others] = await findTaken([{ port, what: 'the routers', flag: '--router-port' }])
  assert.equal(problem?.message, `port ${port}, for the routers, is taken`)
  assert.equal(
    describeTaken([problem!]),
    'a port is in use by other processes; stop them, or choose other ports with --router-port:',
  )
  const two = [problem!, problem!, { ...problem!, path: '--cell-port-base' }]
  assert.match(describeTaken(two), /^3 ports are .* with --router-port, --cell-port-base:$/)
  assert.deepEqual(others, [])
  await new Promise((resolve) => server.close(resolve))
  assert.deepEqual(await findTaken([{ port, what: 'the routers', flag: '--router-port' }]), [])
})
