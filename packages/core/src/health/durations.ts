/**
 * The bounds by which routers count how long answers take, and by which a cell's latency is compared with its peers'. They
 * are those that an objective may name.
 */
export { LATENCY_THRESHOLDS_MS as DURATION_BOUNDS_MS } from '@cellplane/contract'
