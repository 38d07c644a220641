/** Publishing as objects, against a store that checks signatures and conditions (testing/s3-server.ts). */
import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { CREDENTIALS, REGION, type S3Server, signatureOf, startS3Server } from '@cellplane/testing/s3-server'
import { createBell } from '../bell.ts'
import { waitFor } from '../fixtures/control-fixture.ts'
import { etagOf, type HeldBase, type HeldOverlay, type Published } from '../topology/published.ts'
import { publishObjects } from './publish-objects.ts'
import { createS3Store } from './s3.ts'
import { checkS3Config, type S3Config } from './s3-config.ts'

const BUCKET = 'topologies'
const PREFIX = 'fleets/test'

let folder: string
let s3: S3Server
let config: S3Config

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cellplane-s3-'))
})
after(() => rm(folder, { recursive: true, force: true }))

beforeEach(async (t) => {
  s3 = await startS3Server(BUCKET)
  const file = join(folder, 'credentials.json')
  await writeFile(file, JSON.stringify(CREDENTIALS), { mode: 0o600 })
  config = { endpoint: s3.url, bucket: BUCKET, prefix: PREFIX, region: REGION, credentials_file: file }
  ;(t as { after(run: () => Promise<void>): void }).after(() => s3.stop())
})

test('each document is an object of its own, and the pointer names the newest', async (t) => {
  const one = startPublishing(t)
  one.show('base', 1, 1)
  one.show('overlay', 1, 1)
  await one.untilPointer({ base: '1.1', overlay: '1.1' })
  one.show('overlay', 1, 2)
  const pointer = await one.untilPointer({ base: '1.1', overlay: '1.2' })
  assert.deepEqual([...s3.objects.keys()].sort(), [
    `${PREFIX}/base/1.1.json`,
    `${PREFIX}/conditional-writes`,
    `${PREFIX}/current.json`,
    `${PREFIX}/overlay/1.1.json`,
    `${PREFIX}/overlay/1.2.json`,
  ])
  assert.equal(s3.objects.get(pointer.overlay.key), textOf('overlay', 1, 2))
  assert.equal(one.failures, 0)
  const bases = s3.log.filter((line) => line.includes('/base/'))
  assert.equal(bases.length, 1, 'what is there is not sent again')
})

test('one that starts anew finds its documents there and writes nothing twice', async (t) => {
  const first = startPublishing(t)
  first.show('base', 1, 1)
  await first.untilPointer({ base: '1.1' })
  await first.stop()
  const written = new Map(s3.objects)
  s3.log.length = 0
  const second = startPublishing(t)
  second.show('base', 1, 1)
  await waitFor('the pointer to be read', () =>
    s3.log.some((line) => line.startsWith('GET') && line.includes('current')),
  )
  second.show('overlay', 1, 1)
  await second.untilPointer({ base: '1.1', overlay: '1.1' })
  for (const [key, text] of written)
    if (!key.endsWith('current.json')) assert.equal(s3.objects.get(key), text)
  assert.ok(s3.log.some((line) => line === `PUT /${BUCKET}/${PREFIX}/base/1.1.json 412`))
})

test('a version that is there with other content is never overwritten, and said', async (t) => {
  s3.objects.set(`${PREFIX}/base/1.1.json`, 'of somebody else')
  const one = startPublishing(t)
  one.show('base', 1, 1)
  await waitFor('the reason', () => /base\/1\.1\.json is there already/.test(one.reason ?? ''))
  assert.equal(s3.objects.get(`${PREFIX}/base/1.1.json`), 'of somebody else')
  assert.equal(s3.objects.has(`${PREFIX}/current.json`), false)
})

test('a control plane of an older epoch leaves the pointer of a newer one alone', async (t) => {
  const newer = startPublishing(t)
  newer.show('base', 2, 1)
  await newer.untilPointer({ base: '2.1' })
  const pointer = s3.objects.get(`${PREFIX}/current.json`)
  const older = startPublishing(t)
  older.show('base', 1, 9)
  await waitFor('the reason', () =>
    /names base 2\.1, and this control plane has 1\.9/.test(older.reason ?? ''),
  )
  assert.equal(s3.objects.get(`${PREFIX}/current.json`), pointer)
})

test('a pointer that another writes between reading and writing is read again', async (t) => {
  const one = startPublishing(t)
  one.show('base', 1, 1)
  await one.untilPointer({ base: '1.1' })
  const key = `${PREFIX}/current.json`
  const newer = JSON.parse(s3.objects.get(key)!)
  newer.base.epoch = 7
  let isDue = true
  s3.beforeWrite = (written) => {
    if (written !== key || !isDue) return
    isDue = false
    s3.objects.set(key, JSON.stringify(newer))
  }
  one.show('base', 1, 2)
  await waitFor('the reason', () => /names base 7\.1/.test(one.reason ?? ''))
  assert.equal(JSON.parse(s3.objects.get(key)!).base.epoch, 7)
})

test('the pointer of another fleet, and what is no pointer, are left alone', async (t) => {
  const key = `${PREFIX}/current.json`
  const other = startPublishing(t, 'other')
  other.show('base', 1, 1)
  await other.untilPointer({ base: '1.1' })
  const one = startPublishing(t)
  one.show('base', 1, 1)
  await waitFor('the reason', () => /belongs to fleet "other"/.test(one.reason ?? ''))
  s3.objects.set(key, 'nonsense')
  await waitFor('the other reason', () => /no pointer of cellplane/.test(one.reason ?? ''))
  assert.equal(s3.objects.get(key), 'nonsense')
})

test('failures are counted and told, the newest is written when they cease, and the reason goes', async (t) => {
  s3.failures = 3
  const one = startPublishing(t)
  one.show('base', 1, 1)
  await waitFor('a failure', () => one.failures > 0)
  one.show('base', 1, 2)
  await one.untilPointer({ base: '1.2' })
  await waitFor('the reason to go', () => one.reason === null)
  assert.equal(one.failures, 3)
  assert.match(one.reasons[0] ?? '', /was answered 503 SlowDown; it is tried again/)
})

for (const [ignores, lacking] of [
  ['all', /expected conditional writes \(If-None-Match\)/],
  ['if-match', /expected conditional writes \(If-Match\)/],
] as const) {
  test(`a store that ignores conditions (${ignores}) is not trusted with versions`, async (t) => {
    s3.ignores = ignores
    const one = startPublishing(t)
    one.show('base', 1, 1)
    await waitFor('the reason', () => lacking.test(one.reason ?? ''))
    assert.deepEqual([...s3.objects.keys()], [`${PREFIX}/conditional-writes`])
  })
}

test('a wrong secret is refused by the store, and stands in no reason; the right one is taken without a restart', async (t) => {
  const wrong = { ...CREDENTIALS, secret_access_key: 'wrong-secret-access-key' }
  await writeFile(config.credentials_file, JSON.stringify(wrong))
  const one = startPublishing(t)
  one.show('base', 1, 1)
  await waitFor('the reason', () => /403 SignatureDoesNotMatch/.test(one.reason ?? ''))
  assert.ok(!one.reason?.includes(wrong.secret_access_key) && !one.reason?.includes(wrong.access_key_id))
  await writeFile(config.credentials_file, JSON.stringify(CREDENTIALS))
  await one.untilPointer({ base: '1.1' })
})

test('credentials that others can read are refused, and so is what is no JSON, unquoted', async () => {
  assert.ok((await checkS3Config(config)).ok)
  assert.deepEqual(await checkS3Config(undefined), { ok: true, value: undefined })
  await chmod(config.credentials_file, 0o644)
  const open = await checkS3Config(config)
  assert.ok(!open.ok)
  assert.equal(open.problems[0]?.path, 'publish.s3.credentials_file')
  assert.match(open.problems[0]?.message ?? '', /mode 0644; expected 0600/)
  await chmod(config.credentials_file, 0o600)
  await writeFile(config.credentials_file, 'the-secret-itself')
  const spoiled = await checkS3Config(config)
  assert.ok(!spoiled.ok && !JSON.stringify(spoiled.problems).includes('the-secret'))
})

test('the strict store checks signatures as Amazon’s own example has them', () => {
  // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "Example: PUT Object".
  const bodyHash = '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072'
  const request = {
    method: 'PUT',
    path: '/test%24file.text',
    query: '',
    headers: {
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      host: 'examplebucket.s3.amazonaws.com',
      'x-amz-content-sha256': bodyHash,
      'x-amz-date': '20130524T000000Z',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    },
    signedNames: 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
    bodyHash,
    at: '20130524T000000Z',
  }
  const signature = signatureOf(request, 'us-east-1', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')
  assert.equal(signature.toString('hex'), '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd')
})

/** To a publisher a document is text. */
const textOf = (kind: string, epoch: number, version: number) => JSON.stringify({ kind, epoch, version })

type AfterEach = { after(run: () => Promise<void>): void }

/** What a control plane has published, and the publisher that follows it. */
function startPublishing(t: AfterEach, fleet = 'test') {
  const changed = createBell()
  const stopping = new AbortController()
  const held: { base: HeldBase | null; overlay: HeldOverlay | null } = { base: null, overlay: null }
  const one = {
    failures: 0,
    reason: null as string | null,
    reasons: [] as string[],
    show(kind: 'base' | 'overlay', epoch: number, version: number) {
      const text = textOf(kind, epoch, version)
      const document = { epoch, version, issuedAt: '', text, etag: etagOf(text) }
      Object.assign(held, { [kind]: document })
      changed.ring()
    },
    untilPointer: (wanted: { base: string; overlay?: string }) =>
      waitFor(`the pointer to name ${JSON.stringify(wanted)}`, () => {
        const pointer = JSON.parse(s3.objects.get(`${PREFIX}/current.json`) ?? '{}')
        const name = (of: 'base' | 'overlay') => pointer[of] && `${pointer[of].epoch}.${pointer[of].version}`
        return name('base') === wanted.base && (name('overlay') ?? undefined) === wanted.overlay && pointer
      }),
    async stop() {
      stopping.abort()
      await ended
    },
  }
  const published: Pick<Published, 'baseFor' | 'overlay' | 'changed'> = {
    baseFor: () => held.base,
    overlay: () => held.overlay,
    changed,
  }
  const ended = publishObjects(
    {
      published,
      store: createS3Store(config),
      fleet,
      prefix: PREFIX,
      automation: {
        report: (_part, reason) => {
          one.reason = reason
          if (reason !== null) one.reasons.push(reason)
        },
      },
      onFailure: () => {
        one.failures++
      },
      backoffMs: { first: 10, last: 50 },
    },
    stopping.signal,
  )
  t.after(one.stop)
  return one
}
