/** `node scenarios/day-without-control-plane/scenario.ts`: 24 virtual hours without a control plane, with 60 outages of cells. */
import { flag, number, readFlags } from '@cellplane/testing/flags'
import { report } from '../present.ts'
import { isUneventful } from './claims.ts'
import { liveWithoutControlPlane } from './run.ts'

const values = readFlags({
  command: 'node scenarios/day-without-control-plane/scenario.ts',
  about: 'A day without the control plane, in virtual time, with 60 outages of cells.',
  flags: {
    seed: number(undefined, 'the same seed gives the same day', { least: 0, isWhole: true }),
    json: flag('print JSON'),
  },
})
const startedAt = process.hrtime.bigint()
const seed = values.seed ?? Date.now() % 1_000_000
const day = await liveWithoutControlPlane({
  cells: 16,
  tenants: 200,
  requestsPerSecond: 20,
  outages: 60,
  seed,
})
const tookS = Number(process.hrtime.bigint() - startedAt) / 1e9
report({
  title: `A day without the control plane, in virtual time (seed ${seed})`,
  result: { ...day, seed, tookS },
  isJson: values.json,
  lines: [
    ['virtual hours', day.virtualHours.toFixed(1)],
    ['real seconds', tookS.toFixed(1)],
    ['outages of a cell, of 1 to 10 minutes', day.outages],
    ['requests', day.requests],
    ['failures', day.failures],
    ['requests that took a second attempt', day.secondAttempts],
    ['until the mark that was left behind lapsed', `${day.markLapsedAfterS} s`],
    [`of ${day.homeAgain.asked} tenants at home again a minute later`, day.homeAgain.right],
    [`of ${day.restarted.asked} tenants served right by a router restarted from disk`, day.restarted.right],
    ['requests that the return sent elsewhere', day.movedByReturn],
    ['health marks after it', day.marksAfterReturn],
  ],
  remark:
    'Virtual: the clock, the network, and what cells do. Real: acceptance, marks, ejection, ramps and choice of cells; the control plane’s judgement of health.',
  holds: isUneventful(day),
})
