/** The register in the cell's own PostgreSQL, over whatever client the service has. */
import type { Home, HomeRegister } from './home-register.ts'

/** What `pg`'s Pool and Client have, and nothing more. */
export type Queryable = {
  query(text: string, values: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
}

export type PostgresHomeRegister = HomeRegister & {
  /** Creates the table; safe to repeat. For the `bootstrap` target. */
  bootstrap(): Promise<void>
}

const CREATE = `
  CREATE TABLE IF NOT EXISTS cellplane_home (
    tenant     text    PRIMARY KEY,
    generation bigint  NOT NULL CHECK (generation >= 0),
    is_active  boolean NOT NULL
  )`

const REGISTER = `
  INSERT INTO cellplane_home (tenant, generation, is_active) VALUES ($1, $2, $3)
  ON CONFLICT (tenant) DO UPDATE SET generation = excluded.generation, is_active = excluded.is_active
  WHERE cellplane_home.generation <= excluded.generation
  RETURNING tenant`

const CURRENT = 'SELECT tenant, generation, is_active FROM cellplane_home WHERE tenant = $1'

export function createPostgresHomeRegister(database: Queryable): PostgresHomeRegister {
  return {
    async bootstrap() {
      await database.query(CREATE, [])
    },
    async register({ tenant, generation, isActive }) {
      const { rows } = await database.query(REGISTER, [tenant, generation, isActive])
      return rows.length > 0 ? 'registered' : 'superseded'
    },
    async current(tenant) {
      const { rows } = await database.query(CURRENT, [tenant])
      return rows[0] && homeOf(rows[0])
    },
  }
}

/**
 * The fence inside the service's own transaction: true while this cell is the tenant's active home at `generation`, and
 * it stays so until the transaction ends, because a change of the home waits for it. Admission alone cannot say that: the
 * home may move between the check and the commit.
 */
export async function holdHome(transaction: Queryable, tenant: string, generation: number): Promise<boolean> {
  const { rows } = await transaction.query(`${CURRENT} FOR SHARE`, [tenant])
  const home = rows[0] && homeOf(rows[0])
  return home?.isActive === true && home.generation === generation
}

function homeOf(row: Record<string, unknown>): Home {
  return {
    tenant: String(row['tenant']),
    // A bigint comes as text.
    generation: Number(row['generation']),
    isActive: row['is_active'] === true,
  }
}
