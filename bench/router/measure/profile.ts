/**
 * Where a process's time goes, by sampling it with Linux perf: each sample is a stack, and is filed under the first part
 * that its innermost frames name.
 *
 *     a system call on the stack       kernel write, read, poll, other; what it costs on the way in and out included
 *     V8's collector on the stack      collector
 *     a compiled function on top       js…, by the folder of its file
 *     anything else on top             native: the process's own code, its libraries, V8's builtins
 *
 * Sampling by the processor's clock needs no counters, so it works in a virtual machine too. What the kernel does for a
 * packet on the loopback, the receiver's half of TCP included, happens inside the sender's write.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'

export const PARTS = [
  ...(['kernelWrite', 'kernelRead', 'kernelPoll', 'kernelOther', 'native', 'collector'] as const),
  ...(['jsHttp', 'jsServe', 'jsDecision', 'jsCells', 'jsCore', 'jsElsewhere', 'jsOfNode'] as const),
] as const
export type Part = (typeof PARTS)[number]

/** Samples by part; their sum is the total. */
export type Samples = Record<Part, number>

const SAMPLES_PER_SECOND = 1999
/** Of the output of `perf script`: a stack of 40 frames is some 4 KB. */
const OUTPUT_BYTES_MAX = 512 * 1024 ** 2

/** Undefined when perf can be used here; else why not, with the remedy. */
export function whyNoProfile(): string | undefined {
  const tried = spawnSync('perf', ['record', '-e', 'cpu-clock', '-o', '/dev/null', '--', 'true'])
  if (tried.error) return 'perf is not installed; to have it: apt-get install linux-perf'
  return tried.status === 0 ? undefined : `perf cannot sample here: ${lastLine(tried.stderr.toString())}`
}

/** Samples `pids` for so long and files what it saw. `file` is where perf keeps its records meanwhile. */
export async function sample(pids: readonly number[], ms: number, file: string): Promise<Samples> {
  const what = ['-e', 'cpu-clock', '-F', String(SAMPLES_PER_SECOND), '--call-graph', 'fp']
  const recorder = spawn(
    'perf',
    ['record', ...what, '-p', pids.join(','), '-o', file, '--', 'sleep', String(ms / 1000)],
    { stdio: 'ignore' },
  )
  const [status] = (await once(recorder, 'exit')) as [number | null]
  if (status !== 0) throw new Error(`perf record ended with ${status}; expected 0`)
  const printed = spawnSync('perf', ['script', '-i', file, '-F', 'ip,sym,dso'], {
    maxBuffer: OUTPUT_BYTES_MAX,
  })
  rmSync(file, { force: true })
  if (printed.status !== 0) throw new Error(`perf script failed: ${lastLine(printed.stderr.toString())}`)
  return fileSamples(printed.stdout.toString('latin1'))
}

/** Text of `perf script -F ip,sym,dso`: a line a frame, innermost first, and a blank line after each stack. */
export function fileSamples(text: string): Samples {
  const samples = Object.fromEntries(PARTS.map((part) => [part, 0])) as Samples
  for (const stack of text.split('\n\n')) {
    const frames = stack.split('\n').flatMap((line) => frameOf(line) ?? [])
    if (frames.length === 0) continue
    samples[partOf(frames)]++
  }
  return samples
}

type Frame = { symbol: string; library: string }

/** `    7f2a3c4d __GI___libc_write (/usr/lib/x86_64-linux-gnu/libc.so.6)` */
function frameOf(line: string): Frame | undefined {
  const found = /^\s+[0-9a-f]+ (.*) \(([^()]*)\)$/.exec(line)
  return found ? { symbol: found[1]!, library: found[2]! } : undefined
}

/** By the C library's entry too: the time between it and the kernel is the call's. */
const SYSTEM_CALLS: readonly (readonly [RegExp, Part])[] = [
  [
    /^(ksys_write|__x64_sys_(write|sendto|sendmsg)|__GI___libc_write|(__libc_)?send(to|msg)?)$/,
    'kernelWrite',
  ],
  [
    /^(ksys_read|__x64_sys_(read|recvfrom|recvmsg)|__GI___libc_read|read|(__libc_)?recv(from)?)$/,
    'kernelRead',
  ],
  [/^(__x64_sys_epoll_\w+|epoll_\w+)$/, 'kernelPoll'],
]
const COLLECTOR = /v8::internal::(Heap::|Scaveng|MarkCompact|Sweeper|IncrementalMarking|ConcurrentMarking)/
const FOLDERS: readonly (readonly [RegExp, Part])[] = [
  [/\/packages\/router\/src\/http\//, 'jsHttp'],
  [/\/packages\/router\/src\/serve\//, 'jsServe'],
  [/\/packages\/router\/src\/decision\//, 'jsDecision'],
  [/\/packages\/router\/src\/cells\//, 'jsCells'],
  [/\/packages\/core\//, 'jsCore'],
  [/^JS:.* node:/, 'jsOfNode'],
  [/^JS:/, 'jsElsewhere'],
]

function partOf(frames: readonly Frame[]): Part {
  for (const { symbol } of frames) {
    const call = SYSTEM_CALLS.find(([pattern]) => pattern.test(symbol))
    if (call) return call[1]
  }
  const { symbol, library } = frames[0]!
  if (library.startsWith('[kernel')) return 'kernelOther'
  if (frames.some((frame) => COLLECTOR.test(frame.symbol))) return 'collector'
  return FOLDERS.find(([pattern]) => pattern.test(symbol))?.[1] ?? 'native'
}

/** V8 leaves the names of what it compiled there, for perf; it writes each once, so they stay until the last sample. */
export function removeNames(pids: Iterable<number>): void {
  for (const pid of pids) rmSync(`/tmp/perf-${pid}.map`, { force: true })
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
