/** What a fleet file must fulfil beyond its shape: rules between its parts. Each finding names both places. */
import * as v from 'valibot'
import { type Problem, problem } from '../problem.ts'
import { publicUrlSchema } from '../registry/cell.ts'
import { checkObservability } from './observability.ts'
import type { FleetFile } from './schema.ts'

export function checkFleetFile(file: FleetFile): Problem[] {
  return [
    ...checkCells(file),
    ...checkStores(file),
    ...checkPublicUrls(file),
    ...checkShard(file),
    ...checkWeights(file),
    ...checkComponents(file),
    ...checkKeys(file),
    ...checkRoutes(file),
    ...checkSlos(file),
    ...checkObservability(file.observability),
  ]
}

function checkCells({ cells, quarantine }: FleetFile): Problem[] {
  const problems: Problem[] = []
  if ((cells.count === undefined) === (cells.list === undefined)) {
    problems.push(
      problem(
        'INVALID_VALUE',
        'cells',
        'found both or neither of "count" and "list"; expected exactly one of them',
      ),
    )
  }
  const size = cells.count ?? cells.list?.length ?? 0
  if (size > cells.max) {
    problems.push(
      problem(
        'TOO_MANY_CELLS',
        'cells',
        `${size} cells, but cells.max is ${cells.max}; every cell has a fixed cost, so grow the cells, or raise cells.max on purpose`,
      ),
    )
  }
  const seen = new Map<string, number>()
  cells.list?.forEach((cell, i) => {
    const first = seen.get(cell.id)
    if (first !== undefined) {
      problems.push(
        problem(
          'DUPLICATE_ID',
          `cells.list[${i}].id`,
          `"${cell.id}" is also cells.list[${first}]; ids are unique in a fleet, so rename one`,
        ),
      )
    } else seen.set(cell.id, i)
    if (quarantine.enabled && cell.id === quarantine.id) {
      problems.push(
        problem(
          'DUPLICATE_ID',
          `cells.list[${i}].id`,
          `"${cell.id}" is also the quarantine cell; rename one`,
        ),
      )
    }
  })
  return problems
}

/** Two cells on one database are one cell (the guide's first pitfall). Hosts are compared as written: the agent compares the servers themselves. */
function checkStores({ cells }: FleetFile): Problem[] {
  const seen = new Map<string, number>()
  return (cells.list ?? []).flatMap((cell, i) => {
    const url = cell.database?.url
    if (!url) return []
    const store = storeOf(url)
    const path = `cells.list[${i}].database.url`
    if (!store)
      return [
        problem(
          'INVALID_FORMAT',
          path,
          'found a URL that cannot be parsed; expected postgres://user:password@host:port/database',
        ),
      ]
    const first = seen.get(store)
    if (first !== undefined) {
      return [
        problem(
          'STORES_SHARED',
          path,
          `resolves to ${store}, which is the database of cells.list[${first}] ("${cells.list?.[first]?.id}"); a cell shares nothing, so give each its own`,
        ),
      ]
    }
    seen.set(store, i)
    return []
  })
}

/** host:port/database without credentials, with the defaults filled in. */
export function storeOf(url: string): string | undefined {
  try {
    const { hostname, port, pathname } = new URL(url)
    const host = hostname === 'localhost' || hostname === '[::1]' ? '127.0.0.1' : hostname.toLowerCase()
    return `${host || '127.0.0.1'}:${port || '5432'}${pathname === '/' || pathname === '' ? '/postgres' : pathname}`
  } catch {
    return undefined
  }
}

/** A client that is told one URL for two cells would reach either. */
function checkPublicUrls(file: FleetFile): Problem[] {
  const pattern = file.cells.public_url
  if (pattern === undefined) return []
  const url = pattern.replaceAll('{cell}', 'cell-001')
  if (url !== pattern && v.is(publicUrlSchema, url)) return []
  return [
    problem(
      'INVALID_FORMAT',
      'cells.public_url',
      `found ${JSON.stringify(pattern)}; expected an http or https URL with {cell} in it and without user, query and fragment, such as https://{cell}.example.com`,
    ),
  ]
}

function checkShard({ cells, placement }: FleetFile): Problem[] {
  const size = cells.count ?? cells.list?.filter((cell) => (cell.weight ?? cells.weight) > 0).length ?? 0
  if (size === 0 || placement.shard_size <= size) return []
  return [
    problem(
      'SHARD_TOO_LARGE',
      'placement.shard_size',
      `a shard of ${placement.shard_size} does not fit into ${size} cells; lower it or add cells`,
    ),
  ]
}

/** A cell is in a shard at most once, so it carries at most 1/k of the places: a larger weight cannot be met. */
function checkWeights({ cells, placement }: FleetFile): Problem[] {
  const list = cells.list
  if (!list) return []
  const weights = list.map((cell) => cell.weight ?? cells.weight)
  const total = weights.reduce((sum, w) => sum + w, 0)
  const k = placement.shard_size
  return list.flatMap((cell, i) => {
    const weight = weights[i] ?? 0
    if (weight * k <= total) return []
    const path = `cells.list[${i}].weight`
    return [
      problem(
        'WEIGHT_UNREACHABLE',
        path,
        `cell "${cell.id}" has weight ${weight} of ${total} in all; with shards of ${k} a cell carries at most 1/${k}, so lower it to ${Math.floor(((total - weight) / (k - 1 || 1)) * 100) / 100} or split the cell`,
      ),
    ]
  })
}

function checkComponents({ components, local }: FleetFile): Problem[] {
  const problems: Problem[] = []
  const serving = components.filter((c) => c.serves)
  if (serving.length !== 1) {
    problems.push(
      problem(
        'INVALID_VALUE',
        'components',
        `${serving.length} components have "serves: true"; expected exactly one, the one that gets the tenants' traffic`,
      ),
    )
  }
  const names = [
    ...components.map((c) => ['components', c.name] as const),
    ...local.services.map((s) => ['local.services', s.name] as const),
  ]
  names.forEach(([place, name], i) => {
    if (names.findIndex(([p, n]) => p === place && n === name) !== i) {
      problems.push(problem('DUPLICATE_ID', place, `two entries are named "${name}"; rename one`))
    }
    if (place === 'components' && name === 'postgres') {
      problems.push(
        problem(
          'INVALID_VALUE',
          place,
          'the name "postgres" is the cell\'s own database server; rename the component',
        ),
      )
    }
  })
  return problems
}

function checkKeys({ partition_key: key, tokens, stage }: FleetFile): Problem[] {
  return key.rules.flatMap((rule, i) => {
    const path = `partition_key.rules[${i}]`
    if (
      rule.from === 'database' ||
      rule.from === 'session' ||
      rule.from === 'body' ||
      rule.from === 'api-key'
    ) {
      return [
        problem(
          'PARTITION_KEY_NEEDS_LOOKUP',
          path,
          `a key from "${rule.from}" needs a look-up or business logic before the request can be routed; carry the tenant id in a header, a token claim, the host’s name, the path, the query or a cookie`,
        ),
      ]
    }
    if (rule.from !== 'jwt') return []
    if (!tokens) {
      if (stage === 'dev') return []
      return [
        problem(
          'INVALID_VALUE',
          path,
          `a key from a token needs "tokens" with an issuer, an audience and a JWKS; only stage dev makes its own issuer`,
        ),
      ]
    }
    if (tokens.jwks_url && tokens.jwks_file) {
      return [problem('INVALID_VALUE', 'tokens', 'found both "jwks_url" and "jwks_file"; expected one')]
    }
    return tokens.jwks_url || tokens.jwks_file || stage === 'dev'
      ? []
      : [problem('INVALID_VALUE', 'tokens', 'found neither "jwks_url" nor "jwks_file"; expected one')]
  })
}

function checkRoutes({ routes }: FleetFile): Problem[] {
  return routes.flatMap((route, i) => {
    const problems: Problem[] = []
    if (route.cell_in && !route.path.includes(`{${route.cell_in}}`)) {
      problems.push(
        problem(
          'INVALID_VALUE',
          `routes[${i}].cell_in`,
          `"${route.cell_in}" is not a parameter of ${route.path}; write {${route.cell_in}} in the path or drop cell_in`,
        ),
      )
    }
    if (route.hedge_after_ms !== undefined && route.failover === 'home-only') {
      problems.push(
        problem(
          'INVALID_VALUE',
          `routes[${i}].hedge_after_ms`,
          'a hedge goes to an alternate cell, which "failover: home-only" forbids; set another failover or drop hedge_after_ms',
        ),
      )
    }
    return problems
  })
}

function checkSlos({ slos = [], slo_file: file }: FleetFile): Problem[] {
  if (slos.length > 0 && file !== undefined) {
    return [
      problem(
        'INVALID_VALUE',
        'slo_file',
        'found "slos" as well; expected one of them: say all in one place',
      ),
    ]
  }
  return slos.flatMap(({ name }, i) => {
    const first = slos.findIndex((other) => other.name === name)
    if (first === i) return []
    const why = `"${name}" is also slos[${first}]; alerts and reports name objectives, so rename one`
    return [problem('DUPLICATE_ID', `slos[${i}].name`, why)]
  })
}
