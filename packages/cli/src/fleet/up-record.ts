/** What a running `cellplane up` tells other commands: run/up.json in its state directory, gone when it has stopped. */
import { readFile, rm } from 'node:fs/promises'
import { parseWith } from '@cellplane/contract'
import { isRunning, writeAtomically } from '@cellplane/host'
import { z } from 'zod'
import { jsonText } from '../json-text.ts'
import { stateLayout } from './state-layout.ts'

const upRecordSchema = z.object({
  pid: z.int().positive(),
  process_started_at: z.string(),
  phase: z.enum(['starting', 'serving', 'stopping']),
  fleet: z.string(),
  fleet_file: z.string(),
  state_dir: z.string(),
  since: z.string(),
  urls: z.object({
    router: z.string(),
    control: z.string(),
    openapi: z.string(),
    routers: z.record(z.string(), z.string()),
    local: z.record(z.string(), z.string()),
  }),
})
export type UpRecord = z.infer<typeof upRecordSchema>

export async function writeUpRecord(record: UpRecord): Promise<void> {
  await writeAtomically(stateLayout(record.state_dir).up, jsonText(record))
}

export async function removeUpRecord(stateDir: string): Promise<void> {
  await rm(stateLayout(stateDir).up, { force: true })
}

/** Of an `up` that lives; undefined when there is none, or its record cannot be read. */
export async function readUpRecord(stateDir: string): Promise<UpRecord | undefined> {
  const text = await readFile(stateLayout(stateDir).up, 'utf8').catch(() => undefined)
  const record = text === undefined ? undefined : parseUpRecord(text)
  return record && isRunning({ pid: record.pid, startedAt: record.process_started_at }) ? record : undefined
}

function parseUpRecord(text: string): UpRecord | undefined {
  try {
    const record = parseWith(upRecordSchema, JSON.parse(text))
    return record.ok ? record.value : undefined
  } catch {
    return undefined
  }
}
