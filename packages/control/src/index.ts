/** @cellplane/control: registry, placement, health and publishing, behind one API. */
export {
  type ControlConfig,
  type ControlConfigFile,
  controlConfigSchema,
  readControlConfig,
  resolveControlConfig,
} from './config.ts'
export { type Control, startControl } from './control.ts'
