/** @cellplane/client/node for trusted back ends: everything of the browser's entry, and direct routing from the topology. */
export {
  createDirectRouter,
  type DirectCell,
  type DirectRoute,
  type DirectRouter,
  type DirectRouterOptions,
} from './direct/direct-router.ts'
export * from './index.ts'
