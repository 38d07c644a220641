/** What a run found, as JSON for programs and as tables for people. */
import { cpus, release, totalmem } from 'node:os'
import { formatRatio } from './measure/statistics.ts'
import type { Effort, Finding, RowResult } from './rows/row.ts'
import type { BenchResult } from './run-bench.ts'
import { ANSWER_BYTES, CELL_COUNT, CONNECTIONS, REQUEST_BYTES, TENANT_COUNT } from './workload.ts'

export const MAIN_ROW = 'keep-alive'
/** What others are compared with, where it takes part. */
const REFERENCE = 'haproxy-cell'
/** From here on the generator sets the pace. CPU time per request holds all the same, a little higher than under full load. */
const FULL_CORE = 0.97
/** Cores that others may take before a row is called disturbed. */
const CORES_TAKEN_MAX = 0.1

export type Report = ReturnType<typeof reportOf>

export function reportOf(result: BenchResult, effort: Effort) {
  const main = result.rows.find(({ row }) => row === MAIN_ROW)
  const pick = (findings: readonly Finding[]) => findings.map((finding) => finding['cpuUsPerRequest']!)
  return {
    bench: 'router',
    /** Medians of the main row. */
    cpuUsPerRequest: main
      ? Object.fromEntries(Object.entries(main.medians).map(([name, f]) => [name, f['cpuUsPerRequest']!]))
      : {},
    raw: main ? Object.fromEntries(Object.entries(main.raw).map(([name, all]) => [name, pick(all)])) : {},
    rows: result.rows,
    missing: result.missing,
    versions: { bench_node: process.version, ...result.versions },
    effort,
    workload: {
      connections: CONNECTIONS,
      requestBytes: REQUEST_BYTES,
      answerBytes: ANSWER_BYTES,
      tenants: TENANT_COUNT,
      cells: CELL_COUNT,
    },
    machine: {
      cpu: cpus()[0]!.model,
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 1e9),
      kernel: release(),
    },
    method:
      'CPU time of all threads of the proxy (/proc/<pid>/task/*/schedstat); proxy on core 0, clients and upstreams on core 1; contestants alternate; medians; gaps under 5 % are ties',
  }
}

export function tablesOf({ rows, missing, versions, machine }: Report): string {
  const { cpu, cores, kernel } = machine
  return [
    `${cpu}, ${cores} cores, Linux ${kernel}`,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join('; '),
    ...missing.map(({ contestant, why }) => `missing: ${contestant}: ${why}`),
    ...rows.map(tableOf),
  ].join('\n')
}

function tableOf({ row, about, compared, medians, raw, skipped }: RowResult): string {
  const reference = medians[REFERENCE]?.[compared]
  const lines = Object.entries(medians).map(([name, finding]) => {
    const value = finding[compared]!
    const ratio =
      reference === undefined || name === REFERENCE ? '' : `${formatRatio(value / reference)} × ${REFERENCE}`
    const rounds = raw[name]!.map((found) => found[compared]).join(' ')
    const others = Object.entries(finding)
      .filter(([other]) => other !== compared && !(other in NOTED))
      .map(([other, found]) => `${other} ${found}`)
    return [
      `  ${name.padEnd(30)} ${String(value).padStart(10)}  ${ratio}`.trimEnd(),
      `      rounds ${rounds}${others.length > 0 ? `; ${others.join(', ')}` : ''}${notesOf(finding)}`,
    ].join('\n')
  })
  return [
    `\n${row}: ${about}; ${compared}`,
    ...lines,
    ...Object.entries(skipped).map(([name, why]) => `  ${name.padEnd(30)}    skipped: ${why}`),
  ].join('\n')
}

/** Shown as a note where it matters. */
const NOTED: Record<string, true> = { clientUtilisation: true, coresTaken: true }

function notesOf({ clientUtilisation = 0, coresTaken = 0 }: Finding): string {
  return [
    ...(clientUtilisation >= FULL_CORE ? [`; the generator's core was full`] : []),
    ...(coresTaken > CORES_TAKEN_MAX ? [`; disturbed: others took ${coresTaken.toFixed(2)} cores`] : []),
  ].join('')
}
