/** The `bootstrap` target: run by the agent in each cell before its first start on a release. Brings the schema up to date. */
import { openDatabase } from '../store/database.ts'
import { migrate } from '../store/migrate.ts'

const url = process.env['DATABASE_URL']
if (!url) throw new Error('$DATABASE_URL is not set; it is the cell’s own PostgreSQL, and the agent sets it')
const database = openDatabase({ url, name: 'bootstrap', connectionsMax: 1, onIdleError: () => {} })
const applied = await migrate(database)
console.log(applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to apply')
await database.close()
