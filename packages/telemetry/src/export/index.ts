/** @cellplane/telemetry/export: a fleet's monitoring as files for Prometheus, Alertmanager and Grafana. Loads Grafana's SDK. */
export { exportFiles } from './export-files.ts'
export type {
  MonitoredCell,
  MonitoredFleet,
  MonitoredIndicator,
  MonitoredSlo,
  Target,
} from './monitored-fleet.ts'
