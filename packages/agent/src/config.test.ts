import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readAgentConfig } from './config.ts'

const CONFIG = {
  host: 'local',
  control_url: 'http://127.0.0.1:7400',
  token_file: '/keys/host.token',
  state_dir: '/state/hosts/local',
  jwks: null,
  fleet_kind: 'stateless',
  runtime_dir: '/state',
}

describe('the agent’s configuration', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cellplane-config-'))
  })
  after(() => rm(directory, { recursive: true }))

  async function read(content: string) {
    const file = join(directory, 'agent.json')
    await writeFile(file, content)
    return await readAgentConfig(file)
  }

  test('needs only what has no sensible default', async () => {
    const config = await read(JSON.stringify(CONFIG))
    assert.deepEqual([config.port_base, config.listen_host, config.parent_bound], [7500, '127.0.0.1', false])
  })

  test('is refused with every problem and its path', async () => {
    const wrong = { ...CONFIG, host: 'Not A Label', port_base: '7500', state_dir: 'relative', typo: 1 }
    await assert.rejects(read(JSON.stringify(wrong)), (error: Error) => {
      for (const path of ['host', 'port_base', 'state_dir', 'typo']) {
        assert.match(error.message, new RegExp(`^${path}: `, 'm'))
      }
      return true
    })
  })

  test('that is absent or cut short is named with its file', async () => {
    await assert.rejects(read(JSON.stringify(CONFIG).slice(0, 50)), /agent\.json is not JSON/)
    await assert.rejects(readAgentConfig(join(directory, 'absent.json')), /absent\.json cannot be read/)
  })
})
