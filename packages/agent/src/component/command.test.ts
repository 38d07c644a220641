import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { component } from '../testing-host.ts'
import { argvOf, findTarget } from './command.ts'

describe('a lifecycle target', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cellplane-make-'))
    await writeFile(join(directory, 'rules.mk'), 'cell-bootstrap:\n\ttouch should-not-exist\n')
    await writeFile(join(directory, 'Makefile'), 'include rules.mk\n')
  })
  after(() => rm(directory, { recursive: true }))

  test('is a command of the fleet file: a string for a shell, a list for none', () => {
    assert.deepEqual(argvOf('a | b'), ['/bin/sh', '-c', 'a | b'])
    assert.deepEqual(argvOf(['a', '| b']), ['a', '| b'])
  })

  test('is a Makefile’s where the component says `make` and the Makefile has it, in an included file too', async () => {
    const made = component({ name: 'api', make: true })
    assert.deepEqual(await findTarget(made, 'bootstrap', directory), [
      'make',
      '--no-print-directory',
      'cell-bootstrap',
    ])
    assert.equal(await findTarget(made, 'health', directory), undefined)
    assert.equal(await findTarget(component({ name: 'api' }), 'bootstrap', directory), undefined)
    const given = component({ name: 'api', make: true, targets: { bootstrap: 'x' } })
    assert.deepEqual(await findTarget(given, 'bootstrap', directory), argvOf('x'))
  })

  test('of a broken Makefile is an error, not a target that is absent', async () => {
    await writeFile(join(directory, 'Makefile'), 'include absent.mk\n')
    await assert.rejects(
      findTarget(component({ name: 'api', make: true }), 'health', directory),
      /cannot be asked for cell-health.*absent\.mk/s,
    )
  })
})
