/**
 * The fleet file's cells against the registry's. Pure.
 *
 * What a person declared wins: a cell that is declared and not registered is added, and a registered one takes the
 * declared weight, zone, capacity and release. A weight or a capacity that was set at run time stays until the file says
 * something else than it did then: what was said last counts. Nothing is deleted: a cell that left the file still holds data, so
 * ending it is `cell retire`, said on purpose.
 */
import { type Cell, canonicalJson } from '@cellplane/contract'
import { cellsOf, type DeclaredCell, type FleetFile } from '@cellplane/contract/fleet-file'
import { nextFreeSlot } from '@cellplane/core'
import type { StoredCell } from '../store/collections.ts'

export type Declaration = {
  action: 'cell.register' | 'cell.redeclare'
  stored: StoredCell
}

/** What has to be written; empty when the registry says all of it already. `now` in ms since the epoch. */
export function planDeclarations(
  fleet: FleetFile,
  registered: readonly StoredCell[],
  host: string,
  now: number,
): Declaration[] {
  const byId = new Map(registered.map((stored) => [stored.cell.id, stored]))
  const used = registered.map((stored) => stored.cell.slot)
  return cellsOf(fleet).flatMap((declared): Declaration[] => {
    const before = byId.get(declared.id)
    if (before) {
      const stored = redeclared(fleet, before, declared)
      return canonicalJson(stored) === canonicalJson(before) ? [] : [{ action: 'cell.redeclare', stored }]
    }
    const slot = nextFreeSlot(used)
    used.push(slot)
    return [{ action: 'cell.register', stored: newCell(fleet, declared, slot, host, now) }]
  })
}

/** A cell that is registered and nothing else yet. */
export function newCell(
  fleet: FleetFile,
  declared: DeclaredCell,
  slot: number,
  host: string,
  now: number,
): StoredCell {
  return {
    cell: {
      id: declared.id,
      slot,
      role: declared.role,
      state: 'provisioning',
      state_since: new Date(now).toISOString(),
      region: fleet.region,
      zone: declared.zone,
      stage: fleet.stage,
      provider: 'agent',
      account: '',
      host,
      dns_names: declared.dns_names,
      capacity: declared.capacity,
      weight: declared.weight,
      release: fleet.release,
      endpoint: null,
      ...publicUrl(declared),
      stores: [],
      components: fleet.components.map((component) => component.name),
      price_per_hour: declared.price_per_hour,
    },
    database_url: declared.database_url,
  }
}

function redeclared(fleet: FleetFile, before: StoredCell, declared: DeclaredCell): StoredCell {
  if (before.cell.state === 'retired') return before
  const { settings } = before
  const { weight, capacity } = declared
  const isSetSince =
    settings !== undefined && canonicalJson(settings.declared) === canonicalJson({ weight, capacity })
  const cell: Cell = {
    ...before.cell,
    ...publicUrl(declared),
    zone: declared.zone,
    dns_names: declared.dns_names,
    capacity: isSetSince ? before.cell.capacity : capacity,
    weight: isSetSince ? before.cell.weight : weight,
    release: fleet.release,
    components: fleet.components.map((component) => component.name),
    price_per_hour: declared.price_per_hour,
  }
  if (declared.public_url === null) delete cell.public_url
  const { settings: _settings, ...rest } = before
  return { ...rest, cell, database_url: declared.database_url, ...(isSetSince ? { settings } : {}) }
}

function publicUrl({ public_url }: DeclaredCell): Pick<Cell, 'public_url'> {
  return public_url === null ? {} : { public_url }
}
