import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { exportFiles } from './export-files.ts'
import { run, SHOP, whyNoPrograms, writeFolder } from './fixtures/programs.ts'
import type { MonitoredFleet, MonitoredIndicator } from './monitored-fleet.ts'

type Rules = {
  groups: { name: string; rules: { alert?: string; expr: string; labels: Record<string, string> }[] }[]
}

const rulesOf = (monitored: MonitoredFleet, slo: string): Rules =>
  parse(exportFiles(monitored).get(`rules/${monitored.fleet}.slo-${slo}.yml`)!)

const pathsIn = (files: ReadonlyMap<string, string>, folder: string) =>
  [...files.keys()].filter((path) => path.startsWith(`${folder}/`))

const factorsOf = (monitored: MonitoredFleet, slo: string) =>
  rulesOf(monitored, slo)
    .groups.flatMap(({ rules }) => rules)
    .filter(({ alert }) => alert !== undefined)
    .map(({ expr, labels }) => [
      labels['severity'],
      labels['short_window'],
      labels['long_window'],
      ...Array.from(expr.matchAll(/> ([\d.]+)/g), ([, factor]) => Number(factor)),
    ])

test('budgets of 30 days burn at exactly the factors of the workbook', () => {
  assert.deepEqual(factorsOf(SHOP, 'availability'), [
    ['page', '5m', '1h', 14.4, 14.4],
    ['page', '30m', '6h', 6, 6],
    ['ticket', '2h', '1d', 3, 3],
    ['ticket', '6h', '3d', 1, 1],
  ])
})

test('shorter periods keep the share of the budget that a condition stands for, down to a factor of 1', () => {
  const week = { name: 'week', target: 0.99, periodSeconds: 7 * 86_400, indicator: 'availability' } as const
  assert.deepEqual(
    factorsOf({ ...SHOP, slos: [week] }, 'week').map((row) => row.slice(2)),
    [
      ['1h', 3.36, 3.36],
      ['6h', 1.4, 1.4],
      ['1d', 1, 1],
      ['3d', 1, 1],
    ],
  )
})

test('targets carry what is known of them, and how they are reached', () => {
  const files = exportFiles(SHOP)
  assert.deepEqual(JSON.parse(files.get('targets/routers.json')!), [
    { targets: ['127.0.0.1:7401'], labels: { fleet: 'shop', router: 'router-1' } },
    {
      targets: ['router.example'],
      labels: {
        fleet: 'shop',
        router: 'router-2',
        __scheme__: 'https',
        __metrics_path__: '/admin/metrics',
      },
    },
  ])
  const cells = JSON.parse(files.get('targets/cells.json')!) as { labels: object }[]
  assert.deepEqual(cells[0]!.labels, { fleet: 'shop', cell: 'cell-001', zone: 'a' })
})

test('an export that is made again is the same text', () => {
  assert.deepEqual([...exportFiles(SHOP)], [...exportFiles(SHOP)])
})

/** Of all panels, rows' own included. */
function expressionsOf(dashboard: unknown): string[] {
  if (typeof dashboard !== 'object' || dashboard === null) return []
  return Object.entries(dashboard).flatMap(([key, value]) =>
    key === 'expr' && typeof value === 'string' ? [value] : expressionsOf(value),
  )
}

/** What Grafana puts in the place of its variables. */
const filledIn = (expr: string) => expr.replaceAll('$__rate_interval', '1m').replaceAll('$cell', 'cell-001')

describe('the programs that an export is for', { skip: whyNoPrograms() ?? false }, () => {
  const files = exportFiles(SHOP)
  const panels = [...files]
    .filter(([path]) => path.startsWith('dashboards/'))
    .flatMap(([, text]) => expressionsOf(JSON.parse(text)).map(filledIn))
  const panelRules = (expressions: readonly string[]) =>
    JSON.stringify({
      groups: [
        { name: 'panels', rules: expressions.map((expr, nth) => ({ record: `panel:${nth}:value`, expr })) },
      ],
    })
  let written: ReturnType<typeof writeFolder>
  before(() => {
    written = writeFolder(new Map([...files, ['panels.yml', panelRules(panels)]]))
  })
  after(() => written.remove())

  function accepts(program: string, ...args: string[]): void {
    const { ok, text } = run(program, args, written.folder)
    assert.ok(ok, text)
  }

  test('Prometheus takes the configuration and the rules', () =>
    accepts('promtool', 'check', 'config', 'prometheus.yml'))
  test('Prometheus takes every rule without a remark', () =>
    accepts('promtool', 'check', 'rules', '--lint-fatal', ...pathsIn(files, 'rules')))
  test('Alertmanager takes its routes', () => accepts('amtool', 'check-config', 'alertmanager.yml'))
  test('every alert does what its cases say', () =>
    accepts('promtool', 'test', 'rules', ...pathsIn(files, 'tests')))
  test('alerts of other objectives do what theirs say: strict, lenient, and of another period', (t) => {
    const objective = (name: string, target: number, periodSeconds: number, of: MonitoredIndicator) => ({
      ...{ name, target, periodSeconds },
      ...of,
    })
    const other = exportFiles({
      ...SHOP,
      slos: [
        objective('strict', 0.99999, 3_600, { indicator: 'availability' }),
        objective('lenient', 0.5, 30 * 86_400, { indicator: 'availability' }),
        objective('fast', 0.98, 7 * 86_400, { indicator: 'latency', threshold_ms: 250 }),
        objective('served', 0.999, 3_600, { indicator: 'saturation', threshold_share: 1 }),
      ],
    })
    const odd = writeFolder(other)
    t.after(() => odd.remove())
    const { ok, text } = run('promtool', ['test', 'rules', ...pathsIn(other, 'tests')], odd.folder)
    assert.ok(ok, text)
  })
  test('every panel asks what Prometheus understands', () => {
    assert.ok(panels.length > 20, `${panels.length} expressions`)
    accepts('promtool', 'check', 'rules', 'panels.yml')
  })

  test('a page of a cell goes out by itself; a ticket of another is not mixed in', () => {
    const route = (...labels: string[]) =>
      run(
        'amtool',
        ['config', 'routes', 'test', '--config.file=alertmanager.yml', ...labels],
        written.folder,
      ).stdout.trim()
    assert.equal(route('severity=page', 'cell=cell-001', 'fleet=shop'), 'cellplane-pages')
    assert.equal(route('severity=ticket', 'cell=cell-001', 'fleet=shop'), 'cellplane-tickets')
    assert.equal(route('severity=page', 'fleet=shop'), 'cellplane-pages')
    const { route: root } = parse(files.get('alertmanager.yml')!) as {
      route: { routes: { matchers: string[]; group_by?: string[] }[] }
    }
    for (const { matchers, group_by } of root.routes) {
      if (matchers.some((matcher) => matcher.startsWith('cell')))
        assert.deepEqual(group_by, ['fleet', 'cell'])
    }
  })

  test('a rule that is wrong is found: another factor, a panel that is no PromQL', (t) => {
    const rules = files.get('rules/shop.slo-availability.yml')!.replaceAll('> 14.4', '> 15')
    const cases = parse(files.get('tests/shop.slo-availability.test.yml')!) as { tests: { name: string }[] }
    cases.tests = cases.tests.filter(({ name }) => name.includes('burning 14.'))
    const planted = writeFolder(
      new Map([
        ['rules/shop.slo-availability.yml', rules],
        ['tests/planted.test.yml', JSON.stringify(cases)],
        ['panels.yml', panelRules(['sum by (cell) (rate(x[1m])'])],
      ]),
    )
    t.after(() => planted.remove())
    assert.match(run('promtool', ['test', 'rules', 'tests/planted.test.yml'], planted.folder).text, /FAILED/)
    assert.ok(!run('promtool', ['check', 'rules', 'panels.yml'], planted.folder).ok)
  })
})
