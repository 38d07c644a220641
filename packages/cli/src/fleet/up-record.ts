/** What a running `cellplane up` tells other commands: run/up.json in its state directory, gone when it has stopped. */
import { readFile, rm } from 'node:fs/promises'
import { parseWith } from '@cellplane/contract'
import { object, positiveInt, record } from '@cellplane/contract/schema'
import { isRunning, writeAtomically } from '@cellplane/host'
import * as v from 'valibot'
import { jsonText } from '../json-text.ts'
import { stateLayout } from './state-layout.ts'

const upRecordSchema = object({
  pid: positiveInt,
  process_started_at: v.string(),
  phase: v.picklist(['starting', 'serving', 'stopping']),
  fleet: v.string(),
  fleet_file: v.string(),
  state_dir: v.string(),
  since: v.string(),
  urls: object({
    router: v.string(),
    control: v.string(),
    openapi: v.string(),
    routers: record(v.string(), v.string()),
    local: record(v.string(), v.string()),
  }),
})
export type UpRecord = v.InferOutput<typeof upRecordSchema>

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
