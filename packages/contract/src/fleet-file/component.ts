/** A component of a cell: a program in any language, described by the same few lifecycle targets. */
import * as v from 'valibot'
import { componentNameSchema } from '../identifiers.ts'
import { about, between, list, record, strictObject, text, union } from '../schema/index.ts'

/** A command: a string for /bin/sh, or an argument vector that no shell sees. */
export const commandSchema = union([text(1, 4096), list(text(0, 4096), 1, 64)])
export type Command = v.InferOutput<typeof commandSchema>

export const LIFECYCLE_TARGETS = ['build', 'release', 'bootstrap', 'deploy', 'rollback', 'health'] as const
export type LifecycleTarget = (typeof LIFECYCLE_TARGETS)[number]

const target = (description: string) => v.optional(about(commandSchema, description))

const targetsSchema = strictObject({
  build: target('Once per release, before anything runs.'),
  release: target('Publishes what was built.'),
  bootstrap: target(
    'In each cell before its first start on a release, for instance migrations. Must be safe to run twice.',
  ),
  deploy: target('Takes a new release into a cell, where restarting is not enough.'),
  rollback: target('Takes the previous release back into a cell.'),
  health: target('Exits 0 when the component is healthy; used where there is no HTTP check.'),
})

export const componentSchema = strictObject({
  name: componentNameSchema,
  run: about(
    commandSchema,
    'The long-running process. It gets $PORT (where it has a port), $DATABASE_URL and CELLPLANE_*.',
  ),
  directory: v.optional(about(text(0, 1024), 'Working directory, relative to the fleet file.'), '.'),
  serves: v.optional(
    about(v.boolean(), 'True for the one component that gets the tenants’ traffic on $PORT.'),
    false,
  ),
  port: v.optional(
    about(v.boolean(), 'True for a further component that listens on a $PORT of its own.'),
    false,
  ),
  health_path: v.optional(
    v.pipe(
      v.string(),
      v.startsWith('/'),
      v.maxLength(256),
      v.description('HTTP path that answers 2xx when healthy. Left out: an accepted connection is enough.'),
    ),
  ),
  targets: v.optional(targetsSchema, {}),
  make: v.optional(
    about(
      v.boolean(),
      'True: every target that is not given is `make cell-<target>` in the directory, if the Makefile has it.',
    ),
    false,
  ),
  env: v.optional(
    record(
      v.pipe(v.string(), v.regex(/^[A-Z_][A-Z0-9_]*$/, 'a variable is A–Z, 0–9 and "_"')),
      text(0, 4096),
    ),
    {},
  ),
  stop_timeout_seconds: v.optional(about(between(0, 300), 'From SIGTERM to SIGKILL.'), 10),
})
export type Component = v.InferOutput<typeof componentSchema>
