import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

/** Static imports of a file that exist at run time: `import type` is stripped before anything runs. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  return [
    ...text.matchAll(/(?:^|\n)\s*(?:import|export)(?!\s+type\b)\s[^'"`;]*?from\s*['"]([^'"]+)['"]/g),
    ...text.matchAll(/(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g),
  ].map((match) => match[1]!)
}

/** Everything of ours that the entry loads; what comes from npm is named and not followed. */
function loadedBy(entry: URL): { files: string[]; outside: Set<string> } {
  const files = [fileURLToPath(entry)]
  const outside = new Set<string>()
  for (let i = 0; i < files.length; i++) {
    for (const specifier of importsOf(files[i]!)) {
      const isOurs = specifier.startsWith('.') || specifier.startsWith('@cellplane/')
      if (!isOurs) {
        outside.add(specifier)
        continue
      }
      const url = specifier.startsWith('.')
        ? new URL(specifier, `file://${files[i]}`).href
        : import.meta.resolve(specifier)
      const path = fileURLToPath(url)
      if (!files.includes(path)) files.push(path)
    }
  }
  return { files, outside }
}

test('the browser entry loads nothing of Node, so that it needs no bundler to take it out', () => {
  const { files, outside } = loadedBy(new URL('./index.ts', import.meta.url))
  assert.ok(files.length > 10, `only ${files.length} files were walked`)
  assert.deepEqual([...outside].sort(), ['eventsource-parser/stream', 'valibot'])
})

test('no file of the browser entry uses a global that only Node has', () => {
  const { files } = loadedBy(new URL('./index.ts', import.meta.url))
  const wrong = files.filter((file) =>
    /\b(?:Buffer|process)\.\w|\b(?:setImmediate|require)\(/.test(stripped(file)),
  )
  assert.deepEqual(wrong, [])
})

test('the walk itself sees what Node needs', () => {
  const { outside } = loadedBy(new URL('./node.ts', import.meta.url))
  assert.ok([...outside].some((specifier) => specifier.startsWith('node:')))
})

function stripped(file: string): string {
  return readFileSync(file, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
}
