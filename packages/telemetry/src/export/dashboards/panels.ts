/**
 * What panels of both dashboards share: their data source, their queries, their colours.
 *
 * Only panels that Grafana itself brings are used: a dashboard that first wants a plugin is no help at night.
 */
import type { SATURATION_SHARES } from '@cellplane/contract'
import {
  DatasourceVariableBuilder,
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries'
import {
  BAD_CODE_CLASSES,
  DURATIONS_SERIES,
  REQUESTS_SERIES,
  SATURATION_SERIES,
} from '../../prometheus/series.ts'
import { leSelector } from '../indicators.ts'

/** The data source is chosen in the dashboard, so that the file fits every Grafana. */
export const DATA_SOURCE = { type: 'prometheus', uid: '$datasource' }
export const dataSourceVariable = () =>
  new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus')

/** Of Grafana's 24 columns. */
export const FULL_WIDTH = 24
export const HALF_WIDTH = 12
export const PANEL_HEIGHT = 8

/** Grafana's own window for rates: wide enough for four scrapes, whatever the zoom. */
const RATE = '$__rate_interval'

export const query = (expr: string, legend: string) =>
  new DataqueryBuilder().datasource(DATA_SOURCE).expr(expr).legendFormat(legend).range()

/** The values of now, one row a series. */
export const tableQuery = (refId: string, expr: string) =>
  new DataqueryBuilder()
    .datasource(DATA_SOURCE)
    .expr(expr)
    .refId(refId)
    .format(PromQueryFormat.Table)
    .instant()

export const timeSeries = (title: string, description: string, unit: string, span = HALF_WIDTH) =>
  new TimeSeries()
    .title(title)
    .description(description)
    .unit(unit)
    .min(0)
    .datasource(DATA_SOURCE)
    .span(span)
    .height(PANEL_HEIGHT)

/** Expressions on what routers saw; `selector` is of labels without braces: `fleet="shop"`. */
export function requestRate(selector: string, by = 'cell'): string {
  return `sum by (${by}) (rate(${REQUESTS_SERIES}{${selector}}[${RATE}]))`
}

export function badRatio(selector: string): string {
  const bad = `${selector},code_class=~"${BAD_CODE_CLASSES.join('|')}"`
  return `${requestRate(bad)} / (${requestRate(selector)} > 0)`
}

export function latencyQuantile(quantile: number, selector: string): string {
  return `histogram_quantile(${quantile}, sum by (cell, le) (rate(${DURATIONS_SERIES}_bucket{${selector}}[${RATE}])))`
}

/** Share of the requests that found the cell fuller than `share` of its limit; than 1: that its ceilings turned away. */
export function fullerThan(share: (typeof SATURATION_SHARES)[number], selector: string): string {
  const rate = (series: string) => `sum by (cell) (rate(${SATURATION_SERIES}_${series}[${RATE}]))`
  return `1 - ${rate(`bucket{${selector},${leSelector(share)}}`)} / (${rate(`count{${selector}}`)} > 0)`
}

/** 0 healthy, 1 suspect, 2 unhealthy, 3 not known. */
export function verdictLevel(selector: string): string {
  const held = (verdict: string) => `max by (cell) (cellplane_cell_health{${selector},verdict="${verdict}"})`
  return `${held('suspect')} + 2 * ${held('unhealthy')} + 3 * ${held('unknown')}`
}

const VERDICTS = [
  ['healthy', 'green'],
  ['suspect', 'yellow'],
  ['unhealthy', 'red'],
  ['unknown', 'gray'],
] as const

/** In words as well as in colours: not everybody tells red from green. */
export const VERDICT_MAPPINGS: ValueMapping[] = [
  {
    type: MappingType.ValueToText,
    options: Object.fromEntries(
      VERDICTS.map(([text, color], level) => [String(level), { text, color, index: level }]),
    ),
  },
]
export const VERDICT_THRESHOLDS: Threshold[] = VERDICTS.map(([, color], level) => ({
  value: level === 0 ? null : level,
  color,
}))

/** Shares of bad requests: a tenth of a per cent is a month's budget at 99.9 %. */
export const BAD_RATIO_THRESHOLDS: Threshold[] = [
  { value: null, color: 'green' },
  { value: 0.001, color: 'yellow' },
  { value: 0.01, color: 'orange' },
  { value: 0.05, color: 'red' },
]

export const thresholds = (steps: Threshold[]) =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps)

export const byThresholds = () => new FieldColorBuilder().mode(FieldColorModeId.Thresholds)
