/**
 * As much of a control plane as has to do with health: probes (of which only the answer is made up here), the cells'
 * health, the marks, and the overlay that they are published in. All judgement is the shipped parts'.
 */
import type { Cell } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { createCellHealths, createHealthMarks } from '@cellplane/control/parts'
import { compileOverlay, NO_REQUESTS, nextProbeState, type ProbeState, UNPROBED } from '@cellplane/core'
import type { VirtualClock } from './virtual-clock.ts'

export type VirtualControl = {
  /** A second has passed: probes, judges, and publishes if there is news. */
  second(): Promise<void>
  /** The signed overlay that is published. */
  overlay(): string
}

export type Published = {
  text: string
  unhealthy: { slot: number; since: string; reason: string }[]
  issuedAt: string
  version: number
}

/** As a tenure: an overlay that says nothing new still says that the control plane lives. */
const HEARTBEAT_MS = 30_000

export type ControlPlan = {
  clock: VirtualClock
  fleet: FleetFile
  cells: readonly Cell[]
  isUp: (slot: number) => boolean
  sign: (document: object) => string
  /** Of the control plane before; null for the first one. */
  published: Published | null
}

export function createVirtualControl({ clock, fleet, cells, isUp, sign, published: found }: ControlPlan) {
  const probes = new Map<number, ProbeState>()
  const healths = createCellHealths({
    probeOf: (slot) => probes.get(slot) ?? UNPROBED,
    writeOf: () => undefined,
    // It gets no reports here: what it decides, it decides by its probes.
    windowOf: () => NO_REQUESTS,
    now: clock.now,
  })
  const marks = createHealthMarks({
    fleet,
    store: {
      get: async () => undefined,
      write: async () => {
        throw new Error('nothing is to be written: no operator gave an order')
      },
    },
    observations: { healthOf: healths.of, inheritMark: healths.inherit, steadyNow: clock.now },
    automation: { report() {} },
    now: clock.now,
  })
  const base = { snapshot: { indexOfSlot: (slot: number) => cells.findIndex((cell) => cell.slot === slot) } }
  let published = found
  const held = () => published && { issuedAt: published.issuedAt, overlay: JSON.parse(published.text) }
  marks.inherit(held())

  return {
    async second(): Promise<void> {
      // The first look is before the first probe: a control plane that has just come knows nothing.
      const unhealthy = await marks.plan(cells, base, held())
      for (const { slot } of cells) {
        const result = { isHealthy: isUp(slot), reason: isUp(slot) ? 'answered 200' : 'connection refused' }
        probes.set(slot, nextProbeState(probes.get(slot) ?? UNPROBED, result, fleet.health, clock.now()))
      }
      healths.refresh(cells)
      const isSame = published && JSON.stringify(unhealthy) === JSON.stringify(published.unhealthy)
      if (isSame && clock.now() - Date.parse(published!.issuedAt) < HEARTBEAT_MS) return
      const issuedAt = new Date(clock.now()).toISOString()
      const version = (published?.version ?? 0) + 1
      const head = { fleet: fleet.fleet, epoch: 1, version, baseVersion: 1, issuedAt }
      const text = sign(compileOverlay({ ...head, unhealthy, quarantined: [] }))
      published = { text, unhealthy, issuedAt, version }
    },
    /** Null before the first second. */
    published: () => published,
  }
}
