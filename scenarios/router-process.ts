/**
 * A real router as a process, with its defaults, in a folder of the scenario's: there are `router.token`, `router.key` and
 * `topology.jwks.json` already; its last good documents will be in `<name>/`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ScenarioProcess, startProcess } from './gray-failure/process.ts'

export type RouterProcess = Pick<ScenarioProcess, 'stop'> & {
  readonly url: string
  readonly adminUrl: string
}

export type RouterPlan = {
  folder: string
  name: string
  fleet: string
  /** Where the control plane is, or what stands in its place. */
  controlUrl: string
  pollSeconds?: number
}

export async function startRouterProcess(plan: RouterPlan): Promise<RouterProcess> {
  const file = (name: string) => join(plan.folder, name)
  const config = file(`${plan.name}.json`)
  writeFileSync(config, JSON.stringify(configOf(plan, file)), { mode: 0o600 })
  const child = startProcess(new URL(import.meta.resolve('@cellplane/router/main')), ['--config', config])
  try {
    const [line] = await child.untilOutput(/\{.*"router listening".*\}/)
    const { port, admin_port: adminPort } = JSON.parse(line) as { port: number; admin_port: number }
    return { url: `http://127.0.0.1:${port}`, adminUrl: `http://127.0.0.1:${adminPort}`, stop: child.stop }
  } catch (error) {
    await child.stop()
    throw error
  }
}

function configOf(
  { name, fleet, controlUrl, pollSeconds }: RouterPlan,
  file: (name: string) => string,
): object {
  return {
    router: name,
    fleet,
    listen: { host: '127.0.0.1', port: 0 },
    admin: { host: '127.0.0.1', port: 0 },
    state_dir: file(name),
    topology: {
      url: controlUrl,
      token_file: file('router.token'),
      trusted_keys_file: file('topology.jwks.json'),
    },
    router_key_file: file('router.key'),
    jwks: null,
    parent_bound: true,
    ...(pollSeconds === undefined ? {} : { poll_seconds: pollSeconds }),
  }
}
