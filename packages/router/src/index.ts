/** @cellplane/router: the data plane. As a process it is `main.ts`; `startRouter` runs one inside another program. */
export { parseRouterConfig, type RouterConfig, type RouterLimits, routerConfigSchema } from './config.ts'
export { createLogger, type LogFields, type Logger } from './log.ts'
export { type Router, type RouterDeps, startRouter } from './router.ts'
