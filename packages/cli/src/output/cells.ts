/** How cells' states and health look, in every table. */
import { bad, dim, good, warning } from './style.ts'

export function stateText(text: string): string {
  if (text === 'active') return good(text)
  return text === 'retired' || text === 'drained' ? dim(text) : warning(text)
}

export function healthText(text: string): string {
  return text === 'healthy' ? good(text) : text === 'unhealthy' ? bad(text) : dim(text)
}
