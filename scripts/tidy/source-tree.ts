/** The workspace as the tidy test reads it: packages, their source files, and what each file imports. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

export type Package = {
  /** Folder relative to the root: `packages/core`. */
  folder: string
  name: string
  /** Declared dependencies of every kind, name → version. */
  dependencies: Record<string, string>
  /** Files that `exports`, `bin` and `main` name, relative to the root. */
  entries: string[]
}

export type SourceFile = { path: string; package: Package | undefined; text: string; imports: string[] }

type Manifest = Record<
  'dependencies' | 'devDependencies' | 'optionalDependencies',
  Record<string, string> | undefined
> & {
  name: string
  exports?: Record<string, string>
  bin?: Record<string, string>
}

export function readPackages(): Package[] {
  return globSync(['packages/*/package.json', 'examples/*/package.json'], { cwd: ROOT })
    .sort()
    .map((file) => {
      const manifest = JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as Manifest
      const folder = dirname(file)
      return {
        folder,
        name: manifest.name,
        dependencies: {
          ...manifest.dependencies,
          ...manifest.devDependencies,
          ...manifest.optionalDependencies,
        },
        entries: Object.values({ ...manifest.exports, ...manifest.bin }).map((entry) => join(folder, entry)),
      }
    })
}

/** Every TypeScript file of the project, tests and benches too. */
export function readSourceFiles(packages: readonly Package[]): SourceFile[] {
  const files = globSync(
    [
      'packages/*/{src,bin}/**/*.{ts,js}',
      'examples/**/*.ts',
      'scenarios/**/*.ts',
      'bench/**/*.ts',
      'scripts/**/*.ts',
    ],
    {
      cwd: ROOT,
      exclude: (name) => name === 'node_modules' || name === '.cellplane',
    },
  )
  return files.sort().map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8')
    return {
      path,
      package: packages.find((p) => path.startsWith(`${p.folder}/`)),
      text,
      imports: importsOf(text),
    }
  })
}

/** Static, dynamic and `import.meta.resolve` specifiers, and `new URL('./x.ts', import.meta.url)`. */
export function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const patterns = [
    /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]/g,
    /(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g,
    /\bimport\(\s*['"]([^'"]+)['"]/g,
    /import\.meta\.resolve\(\s*['"]([^'"]+)['"]/g,
    /new URL\(\s*['"](\.[^'"]+\.[jt]s)['"]\s*,\s*import\.meta\.url/g,
  ]
  return [...new Set(patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1]!)))]
}

/** The file that a relative import names, relative to the root. */
export function resolveRelative(from: string, specifier: string): string {
  return relative(ROOT, resolve(ROOT, dirname(from), specifier))
}

/** `@scope/name/sub` → `@scope/name`; undefined for relative and node: imports. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:') || specifier.startsWith('/'))
    return undefined
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** Files reachable from `entries` by relative imports. */
export function reachable(entries: Iterable<string>, files: readonly SourceFile[]): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const seen = new Set<string>()
  const queue = [...entries]
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = byPath.get(path)
    if (!file || seen.has(path)) continue
    seen.add(path)
    queue.push(...file.imports.filter((i) => i.startsWith('.')).map((i) => resolveRelative(path, i)))
  }
  return seen
}

export const exists = (path: string): boolean => existsSync(join(ROOT, path))
