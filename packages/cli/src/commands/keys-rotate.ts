/** `cellplane keys rotate`. */
import type { ApiClient } from '@cellplane/client'
import type { Command } from 'commander'
import { aboutLocalFleet, createCommand, type JsonFlag } from '../command.ts'
import { Failure } from '../failure.ts'
import { connect, type FleetFlags, locateState } from '../fleet/locate.ts'
import { stateLayout } from '../fleet/state-layout.ts'
import { printResult } from '../output/print.ts'
import { pause } from '../pause.ts'
import {
  forgetFormerKey,
  prepareNextKey,
  rotationPhase,
  signingKeyId,
  switchToNextKey,
} from '../up/rotate-keys.ts'

/** Routers look at their files every five seconds; two looks, and some more for a busy machine. */
const TAKEN_UP_MS = 12_000

/** A base signed anew goes to one router first, then to the others. */
const APPLIED_MS_MAX = 120_000
const LOOK_EVERY_MS = 500

type Flags = FleetFlags & JsonFlag

export function keysRotateCommand(): Command {
  return aboutLocalFleet(
    createCommand({
      usage: 'rotate',
      summary: 'Replace the key that signs the topology, while the fleet runs',
      details:
        'Routers trust the next key before anything is signed with it, and the former one until all of them follow what the next one signed. It takes about half a minute. Interrupted, it goes on where it was when it is run again.',
      examples: [['cellplane keys rotate', 'a new key signs, and the former one is trusted no longer']],
    }),
  ).action(async (flags: Flags) => {
    const layout = stateLayout(await locateState(flags))
    const { client } = await connect(flags)
    const tell = (line: string) => void (flags.json || process.stderr.write(`${line}\n`))
    if (rotationPhase(layout) !== 'switched') {
      tell('1/3 the next key is made; routers and control plane come to trust it')
      await prepareNextKey(layout)
      await pause(TAKEN_UP_MS)
      await switchToNextKey(layout)
    }
    const id = await signingKeyId(layout)
    tell(`2/3 key ${id} signs; routers take what it signed`)
    await waitUntilApplied(client, id)
    await forgetFormerKey(layout)
    tell('3/3 the former key is trusted no longer')
    printResult(flags.json, { signs: id }, () => `the topology is signed by ${id}, and by nothing else`)
  })
}

/** Resolves when both documents have that key's signature and every router that reports follows them. */
async function waitUntilApplied(client: ApiClient, id: string): Promise<void> {
  const deadline = performance.now() + APPLIED_MS_MAX
  for (;;) {
    const why = await whyNotApplied(client, id)
    if (why === null) return
    if (performance.now() > deadline) {
      throw new Failure(
        'WAITED_IN_VAIN',
        `${why} after ${APPLIED_MS_MAX / 1000} s; both keys stay trusted; see \`cellplane status\`, and run this again`,
      )
    }
    await pause(LOOK_EVERY_MS)
  }
}

async function whyNotApplied(client: ApiClient, id: string): Promise<string | null> {
  const documents = [await client.getBase(), await client.getOverlay()]
  for (const { kind, signature } of documents) {
    if (signature.key_id !== id) return `the ${kind} is still signed by ${signature.key_id}`
  }
  const { routers } = await client.getStatus()
  for (const { router, is_reporting, base, overlay } of routers) {
    const held = { base, overlay }
    const late = documents.find(({ kind, version }) => (held[kind]?.version ?? -1) < version)
    if (is_reporting && late) return `router "${router}" has not taken ${late.kind} ${late.version}`
  }
  return null
}
