/** Names of the series that routers show and that the questions are asked of. They are a contract: dashboards, rules and other people's queries use them. */
export const REQUESTS_SERIES = 'cellplane_router_requests_total'
export const DURATIONS_SERIES = 'cellplane_router_request_duration_seconds'
export const SATURATION_SERIES = 'cellplane_router_cell_saturation_ratio'
export const IN_FLIGHT_SERIES = 'cellplane_router_cell_in_flight'

/** Values of `code_class` that are no good answers: 5xx, and attempts that ended without one. */
export const BAD_CODE_CLASSES = ['5xx', 'failed'] as const
