/** What Prometheus' own linter says of a metrics page: names, units, types, help. */
import { spawnSync } from 'node:child_process'

/** Why promtool cannot be had here, or undefined. */
export function whyNoPromtool(): string | undefined {
  return spawnSync('promtool', ['--version']).status === 0
    ? undefined
    : 'promtool is not installed; to have it: apt-get install prometheus'
}

/** Its remarks; empty when it has none. */
export function lintMetrics(page: string): string {
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' })
  return `${stdout}${stderr}`
}
