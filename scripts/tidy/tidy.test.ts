/**
 * Review remarks that were turned into checks. Each test names the rule; its message names the file and the remedy.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fleetFileJsonSchema } from '@cellplane/contract/json-schema'
import {
  exists,
  importsOf,
  packageOf,
  ROOT,
  reachable,
  readPackages,
  readSourceFiles,
  resolveRelative,
  type SourceFile,
} from './source-tree.ts'

/** A package that only the test of the tidy test itself names. */
const SPECIMEN = '@specimen/w'

const packages = readPackages()
const files = readSourceFiles(packages)
const isSuite = (file: SourceFile) => /\.(test|bench)\.ts$/.test(file.path)
/** Suites, fuzzers, and what only they use: `fixtures/`, `fuzz/`, `test-….ts`, `testing-….ts`. */
const isTest = (file: SourceFile) =>
  isSuite(file) ||
  /\/(fixtures|fuzz)\/|\/test(ing)?-[\w-]+\.ts$/.test(file.path) ||
  file.path.startsWith('packages/testing/')
const isOurs = (name: string) => name.startsWith('@cellplane/')

/**
 * Which of our packages each may import: ARCHITECTURE.md, "Packages". The planes meet in the contract and in core,
 * and nowhere else; so a router can be read, and trusted, without the control plane.
 */
const DIRECTIONS: Record<string, readonly string[]> = {
  '@cellplane/contract': [],
  '@cellplane/core': ['@cellplane/contract'],
  '@cellplane/host': [],
  '@cellplane/tracing': [],
  '@cellplane/object-store': ['@cellplane/contract'],
  '@cellplane/router': [
    '@cellplane/core',
    '@cellplane/contract',
    '@cellplane/host',
    '@cellplane/object-store',
    '@cellplane/tracing',
  ],
  '@cellplane/telemetry': ['@cellplane/core', '@cellplane/contract'],
  '@cellplane/control': [
    '@cellplane/core',
    '@cellplane/contract',
    '@cellplane/host',
    '@cellplane/object-store',
    '@cellplane/telemetry',
  ],
  '@cellplane/postgres': [],
  '@cellplane/agent': ['@cellplane/core', '@cellplane/contract', '@cellplane/host', '@cellplane/postgres'],
  '@cellplane/cell': ['@cellplane/contract', '@cellplane/tracing'],
  '@cellplane/client': ['@cellplane/core', '@cellplane/contract'],
  // The CLI has no privilege beyond the API; its `up` composes the planes as processes and imports none of them.
  '@cellplane/cli': [
    '@cellplane/client',
    '@cellplane/core',
    '@cellplane/contract',
    '@cellplane/host',
    '@cellplane/postgres',
    '@cellplane/telemetry',
  ],
  '@cellplane/example-notifications': ['@cellplane/cell', '@cellplane/client'],
}

/** Real servers that tests start; never imported by what ships. */
const FOR_TESTS = ['@cellplane/testing', '@cellplane/postgres', '@cellplane/core']

test('packages import only in the directions of the architecture', () => {
  const wrong = files.flatMap((file) => {
    const own = file.package?.name
    if (!own || own === '@cellplane/testing') return []
    const allowed = [...(DIRECTIONS[own] ?? []), own, ...(isTest(file) ? FOR_TESTS : [])]
    return staticPackages(file)
      .filter((name) => isOurs(name) && !allowed.includes(name))
      .map((name) => `${file.path} imports ${name}`)
  })
  assert.deepEqual(
    wrong,
    [],
    'move the shared idea to contract or core, or change ARCHITECTURE.md on purpose',
  )
})

test('a package speaks through its exports: no relative import leaves its folder', () => {
  const wrong = files.flatMap((file) => {
    const home = file.package?.folder ?? file.path.split('/')[0]!
    return file.imports
      .filter((specifier) => specifier.startsWith('.'))
      .filter((specifier) => !resolveRelative(file.path, specifier).startsWith(`${home}/`))
      .map((specifier) => `${file.path} imports ${specifier}`)
  })
  assert.deepEqual(wrong, [])
})

test('every imported package is declared where it is imported', () => {
  const root = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>
  }
  const wrong = files.flatMap((file) => {
    const declared = {
      ...file.package?.dependencies,
      ...(isTest(file) || !file.package ? root.devDependencies : {}),
    }
    return file.imports
      .map(packageOf)
      .filter((name) => name !== undefined && name !== file.package?.name && !(name in declared))
      .filter((name) => !(isOurs(name!) && (isTest(file) || !file.package)))
      .filter((name) => name !== SPECIMEN)
      .map((name) => `${file.path} imports ${name}`)
  })
  assert.deepEqual(wrong, [], 'add it to the package.json of the package, with its exact version')
})

test('relative imports name files that exist', () => {
  const wrong = files.flatMap((file) =>
    file.imports
      .filter((i) => i.startsWith('.') && !exists(resolveRelative(file.path, i)))
      .map((i) => `${file.path} imports ${i}`),
  )
  assert.deepEqual(wrong, [])
})

test('core takes time, randomness and the outside world as parameters', () => {
  const banned =
    /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.|\bprocess\.|\bsetTimeout\b|\bsetInterval\b|\bfetch\(|\bawait\b|\bcrypto\.random/
  const impure = files
    .filter((file) => file.path.startsWith('packages/core/src/') && !isTest(file))
    .flatMap((file) => {
      const line = stripComments(file.text)
        .split('\n')
        .find((text) => banned.test(text))
      const imports = file.imports.filter((i) => i.startsWith('node:'))
      return [
        ...(line ? [`${file.path}: ${line.trim()}`] : []),
        ...imports.map((i) => `${file.path} imports ${i}`),
      ]
    })
  assert.deepEqual(impure, [], 'hand it in as an argument, so that the simulator can run the same code')
})

test('placement uses only arithmetic that gives the same result on every machine', () => {
  const banned = /\bMath\.(log|log2|log10|log1p|exp|expm1|pow|sin|cos|tan|atan|cbrt|hypot)\b|\*\*/
  const wrong = files
    .filter((file) => file.path.startsWith('packages/core/src/placement/') && !isTest(file))
    .flatMap((file) => {
      const line = stripComments(file.text)
        .split('\n')
        .find((text) => banned.test(text))
      return line ? [`${file.path}: ${line.trim()}`] : []
    })
  assert.deepEqual(wrong, [], 'IEEE 754 fixes + − × ÷ and sqrt; the rest may differ between engines')
})

test('a file is one idea, at most 500 lines of it', () => {
  const long = files
    .map((file) => [file.path, file.text.split('\n').length] as const)
    .filter(([, lines]) => lines > 500)
  assert.deepEqual(long, [])
})

test('no file is named for what it is not: utils, helpers, misc, common', () => {
  assert.deepEqual(
    files.filter((file) => /\/(utils?|helpers?|misc|common)\.ts$/.test(file.path)).map((f) => f.path),
    [],
  )
})

test('every file says at its top what it is', () => {
  const silent = files
    .filter((file) => !isTest(file) && !/\/index\.ts$/.test(file.path))
    .filter((file) => !/^(#!.*\n)?\s*(\/\*\*|\/\/)/.test(file.text))
    .map((file) => file.path)
  assert.deepEqual(silent, [])
})

test('every file is reached from an entry, a test or a bench', () => {
  const entries = [
    ...packages.flatMap((p) => p.entries),
    ...files
      .filter(
        (file) => isSuite(file) || /(^|\/)main\.ts$/.test(file.path) || !file.path.startsWith('packages/'),
      )
      .map((file) => file.path),
  ]
  const alive = reachable(entries, files)
  assert.deepEqual(
    files.filter((file) => !alive.has(file.path)).map((f) => f.path),
    [],
    'delete what nothing reaches',
  )
})

test('no test is left out or singled out on the quiet', () => {
  const wrong = files.filter(
    (file) =>
      file.path.endsWith('.test.ts') &&
      file.path !== 'scripts/tidy/tidy.test.ts' &&
      /\b(test|it|describe)\.(only|skip|todo)\(/.test(file.text),
  )
  assert.deepEqual(
    wrong.map((f) => f.path),
    [],
    'use t.skip(reason) where the machine lacks something: the runner counts and says it',
  )
})

test('no test sleeps: it waits on a condition, bounded', () => {
  const wrong = files.filter(
    (file) =>
      file.path.endsWith('.test.ts') &&
      file.path !== 'scripts/tidy/tidy.test.ts' &&
      /setTimeout\(\s*(r|res|resolve|done)\s*,\s*\d{3,}\s*\)|\bsleep\(\s*\d{3,}/.test(file.text),
  )
  assert.deepEqual(
    wrong.map((f) => f.path),
    [],
  )
})

test('every npm dependency has an exact version and a reason in docs/dependencies.md', () => {
  const reasons = readFileSync(join(ROOT, 'docs/dependencies.md'), 'utf8')
  const root = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >
  const all = [
    root['dependencies'],
    root['devDependencies'],
    root['optionalDependencies'],
    ...packages.map((p) => p.dependencies),
  ]
  const found = all.flatMap((dependencies) => Object.entries(dependencies ?? {}))
  const loose = found
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${name}@${version}`)
  assert.deepEqual(loose, [])
  const silent = found
    .filter(([name]) => !isOurs(name) && !reasons.includes(`\`${name}\``))
    .map(([name]) => name)
  assert.deepEqual([...new Set(silent)], [])
})

test('the JSON Schema of the fleet file is the one that the code has', () => {
  const committed = JSON.parse(readFileSync(join(ROOT, 'schemas/cellplane.schema.json'), 'utf8'))
  assert.deepEqual(committed, JSON.parse(JSON.stringify(fleetFileJsonSchema())), 'run: npm run generate')
})

test('the tidy test itself sees imports of every form', () => {
  const text = `import a from 'x'\nimport type { b } from "@specimen/y/z"\nexport * from './c.ts'\nawait import('node:fs')\nimport './d.ts'\n// import e from 'no'\nimport.meta.resolve('@specimen/w/main')\n`
  assert.deepEqual(importsOf(text).sort(), [
    './c.ts',
    './d.ts',
    '@specimen/w/main',
    '@specimen/y/z',
    'node:fs',
    'x',
  ])
})

function staticPackages(file: SourceFile): string[] {
  // `import.meta.resolve` starts a process; it is no import.
  const code = file.text.replace(/import\.meta\.resolve\([^)]*\)/g, '')
  return importsOf(code)
    .map(packageOf)
    .filter((name): name is string => name !== undefined)
}

function stripComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '')
}
