/** `node scenarios/lying-monitor/scenario.ts`: the health checks of three of five cells fail at once, and requests succeed. */
import { flag, readFlags } from '@cellplane/testing/flags'
import { countAll, report, seconds } from '../present.ts'
import { isUntouched } from './claims.ts'
import { lieAboutCells } from './run.ts'

const values = readFlags({
  command: 'node scenarios/lying-monitor/scenario.ts',
  about: 'The health checks of 60 % of the cells fail at once, and all requests go on being served.',
  flags: { json: flag('print JSON') },
})

const result = await lieAboutCells({
  cells: 5,
  lying: [0, 1, 2],
  tenants: 100,
  requestsPerSecond: 120,
  seed: Date.now(),
  beforeMs: 4_000,
  underFreezeMs: 4_000,
  health: {},
})
report({
  title: 'The health checks of three of five cells fail at once, and their requests succeed',
  result,
  isJson: values.json,
  lines: [
    ['requests', result.requests],
    ['failures', countAll(result.failures)],
    ['until automation froze', seconds(result.frozenAfterMs)],
    ['cells that routers were told to avoid, at most', result.marksMax],
    ['verdicts on the three', result.verdicts.join(', ')],
    ['requests that went to another cell than before', result.moved],
    ['from the end of the lie until automation went on', seconds(result.thawedAfterMs)],
  ],
  remark: `It said: ${result.reason}`,
  holds: isUntouched(result),
})
