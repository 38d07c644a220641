/** How cells' states and health look, in every table. */
import { bad, dim, good, warning } from './style.ts'

export function stateText(text: string): string {
  if (text === 'active') return good(text)
  return text === 'retired' || text === 'drained' ? dim(text) : warning(text)
}

export function healthText(text: string): string {
  if (text === 'healthy') return good(text)
  if (text === 'unhealthy') return bad(text)
  return text === 'suspect' ? warning(text) : dim(text)
}
