/** A component of a cell: a program in any language, described by the same few lifecycle targets. */
import { z } from 'zod'
import { componentNameSchema } from '../identifiers.ts'

/** A command: a string for /bin/sh, or an argument vector that no shell sees. */
export const commandSchema = z.union([
  z.string().min(1).max(4096),
  z.array(z.string().max(4096)).min(1).max(64),
])
export type Command = z.infer<typeof commandSchema>

export const LIFECYCLE_TARGETS = ['build', 'release', 'bootstrap', 'deploy', 'rollback', 'health'] as const
export type LifecycleTarget = (typeof LIFECYCLE_TARGETS)[number]

const targetsSchema = z.strictObject({
  build: commandSchema.optional().describe('Once per release, before anything runs.'),
  release: commandSchema.optional().describe('Publishes what was built.'),
  bootstrap: commandSchema
    .optional()
    .describe(
      'In each cell before its first start on a release, for instance migrations. Must be safe to run twice.',
    ),
  deploy: commandSchema
    .optional()
    .describe('Takes a new release into a cell, where restarting is not enough.'),
  rollback: commandSchema.optional().describe('Takes the previous release back into a cell.'),
  health: commandSchema
    .optional()
    .describe('Exits 0 when the component is healthy; used where there is no HTTP check.'),
})

export const componentSchema = z.strictObject({
  name: componentNameSchema,
  run: commandSchema.describe(
    'The long-running process. It gets $PORT (where it has a port), $DATABASE_URL and CELLPLANE_*.',
  ),
  directory: z.string().max(1024).default('.').describe('Working directory, relative to the fleet file.'),
  serves: z
    .boolean()
    .default(false)
    .describe('True for the one component that gets the tenants’ traffic on $PORT.'),
  port: z
    .boolean()
    .default(false)
    .describe('True for a further component that listens on a $PORT of its own.'),
  health_path: z
    .string()
    .startsWith('/')
    .max(256)
    .optional()
    .describe('HTTP path that answers 2xx when healthy. Left out: an accepted connection is enough.'),
  targets: targetsSchema.prefault({}),
  make: z
    .boolean()
    .default(false)
    .describe(
      'True: every target that is not given is `make cell-<target>` in the directory, if the Makefile has it.',
    ),
  env: z.record(z.string().regex(/^[A-Z_][A-Z0-9_]*$/), z.string().max(4096)).default({}),
  stop_timeout_seconds: z.number().min(0).max(300).default(10).describe('From SIGTERM to SIGKILL.'),
})
export type Component = z.infer<typeof componentSchema>
