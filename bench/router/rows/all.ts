/** Every row, in the order in which they are run and shown. */
import { bodiesDown, bodiesUp, largeDown, largeUp } from './bodies.ts'
import { tokenKey } from './keys.ts'
import { latency } from './latency.ts'
import { idleMemory, startMemory } from './memory.ts'
import { profile } from './profile.ts'
import { keepAlive, newConnection } from './requests.ts'
import type { Row } from './row.ts'
import { telemetry } from './telemetry.ts'
import { tls } from './tls.ts'

export const ROWS: readonly Row[] = [
  keepAlive,
  newConnection,
  bodiesUp,
  bodiesDown,
  largeUp,
  largeDown,
  latency,
  idleMemory,
  startMemory,
  tokenKey,
  tls,
  telemetry,
  profile,
]
