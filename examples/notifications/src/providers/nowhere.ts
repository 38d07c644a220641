/** What the synthetic tenant sends goes here: through API, queue and worker as any other, and not out of the cell. */
import type { Provider } from './provider.ts'

export function createNowhereProvider(): Provider {
  return {
    send: async () => ({ outcome: 'delivered', detail: 'synthetic: sent to nobody' }),
    close() {},
  }
}
