/**
 * Metrics in Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/. Each has its help and its
 * type, and this program's prefix.
 */

export type Sample = [labels: Record<string, string>, value: number]

/** Of a metric without labels. */
export const one = (value: number): Sample[] => [[{}, value]]

export const counter = (name: string, help: string, values: readonly Sample[]) =>
  head(name, 'counter', help) + samples(name, values)

export const gauge = (name: string, help: string, values: readonly Sample[]) =>
  head(name, 'gauge', help) + samples(name, values)

/** `counts` of a cell: one for each bound, and one for what is above them. */
type Distribution = { id: string; counts: Float64Array; sum?: number }

export function histogram(
  name: string,
  help: string,
  bounds: readonly number[],
  cells: readonly Distribution[],
): string {
  const labels = [...bounds.map(String), '+Inf']
  const buckets = cells.flatMap(({ id, counts }) => {
    let upTo = 0
    return labels.map((le, i): Sample => {
      upTo += counts[i]!
      return [{ cell: id, le }, upTo]
    })
  })
  const sums = cells.flatMap(({ id, sum }): Sample[] => (sum === undefined ? [] : [[{ cell: id }, sum]]))
  const counts = buckets.flatMap(([{ cell, le }, count]): Sample[] =>
    le === '+Inf' ? [[{ cell: cell! }, count]] : [],
  )
  return [
    head(name, 'histogram', help),
    samples(`${name}_bucket`, buckets),
    samples(`${name}_sum`, sums),
    samples(`${name}_count`, counts),
  ].join('')
}

const head = (name: string, type: string, help: string) =>
  `# HELP cellplane_router_${name} ${help}\n# TYPE cellplane_router_${name} ${type}\n`

/** Label values are cell ids, codes and our own words: none has a quote, a backslash or a line end. */
function samples(name: string, values: readonly Sample[]): string {
  return values
    .map(([labels, value]) => {
      const inner = Object.entries(labels).map(([label, text]) => `${label}="${text}"`)
      return `cellplane_router_${name}${inner.length === 0 ? '' : `{${inner.join(',')}}`} ${value}\n`
    })
    .join('')
}
