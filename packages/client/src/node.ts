/** @cellplane/client/node for trusted back ends: everything of the browser's entry, and direct routing from the topology. */
export { createDirectRouter, type DirectRouter, type DirectRouterOptions } from './direct/direct-router.ts'
export type { DirectCell, DirectDecision, DirectRequest, DirectRoute } from './direct/direct-view.ts'
export * from './index.ts'
