/** The fleet file that `cellplane init` writes: small enough to read at once, with a comment where a choice is made. */

export type InitAnswers = {
  /** The fleet's name. */
  name: string
  /** The command that runs the service. */
  run: string
  /** A path that the service answers with a success. */
  healthPath: string
}

export function fleetFileTemplate({ name, run, healthPath }: InitAnswers): string {
  return `# A cellplane fleet: your service as isolated cells. \`cellplane plan\` checks this file, \`cellplane up\` runs it.
format: 1
fleet: ${quoted(name)}

# stateless: any cell of a tenant's shard may take its work. stateful: a tenant's data lives in one home cell.
kind: stateless

# What tells tenants apart. It must never change for a tenant, and be in every request.
# Behind a gateway that sets a header this is enough; for tokens write: { from: jwt, claim: customer_id }
# Others: { from: subdomain, domain: example.com }, { from: path, prefix: /t/ }, { from: query, name: tenant },
# { from: cookie, name: tenant }, { from: sni, domain: example.com }. Rules are tried in order; the first that is present
# decides. With normalise: lower-case in a rule, Acme and acme are one tenant.
# A request without the key is not refused: it is served by its source address (fail-open), without a cellplane-tenant
# header. No setting changes that; where a key is a must, have your service answer 400 when that header is missing.
# A token that does not verify is always refused (401).
partition_key:
  rules:
    - { from: header, name: x-tenant }

# Each tenant gets a shard of two cells: its home, and one that takes over while the home is down.
placement:
  shard_size: 2

cells:
  count: 4
  # Each cell has a PostgreSQL server of its own; your service finds it in $DATABASE_URL. Without a database: none
  database: postgres
  # none: cells keep nothing that anybody waits for, so one can be drained and retired at any time.
  # reported: your service says what it still holds, at GET /cellplane/holdings.
  holdings: none

# One more cell, without tenants of its own, for a tenant that endangers the others.
quarantine:
  enabled: true

# A path that answers 2xx when a cell can serve.
health:
  path: ${quoted(healthPath)}

# What runs in every cell. The one that serves listens on $PORT (on $HOST); it can be in any language.
components:
  - name: app
    run: ${quoted(run)}
    serves: true
  # A worker beside it would be:
  # - name: worker
  #   run: python3 worker.py

# What another cell may do with a request when the home is down: any, idempotent (with an Idempotency-Key), read, home-only.
# With delivery: redirect in a route, routers answer 307 with the cell's own URL (cells.public_url) and step aside.
routes:
  - { path: /*, failover: idempotent }

# How large the fleet should be: fill in your figures and run \`cellplane plan\`.
# sizing:
#   peak_requests_per_second: 500
#   largest_tenant_requests_per_second: 20
#   request_ms: 30
`
}

/** A YAML double-quoted scalar is what JSON writes, for all that a name or a command may hold. */
function quoted(text: string): string {
  return /^[a-z][a-z0-9_./-]*( [A-Za-z0-9_./=-]+)*$/.test(text) && !RESERVED.has(text)
    ? text
    : JSON.stringify(text)
}

/** Words that YAML reads as something else than text. */
const RESERVED = new Set(['true', 'false', 'null', 'yes', 'no', 'on', 'off'])
