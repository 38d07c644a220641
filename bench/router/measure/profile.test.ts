import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileSamples } from './profile.ts'

const FILE = 'file:///somewhere/packages'
const KERNEL = '([kernel.kallsyms])'
const JIT = '(/tmp/perf-1.map)'

/** Stacks as perf prints them, innermost frame first. */
const STACKS = [
  [`ffff tcp_sendmsg ${KERNEL}`, `ffff ksys_write ${KERNEL}`, `7f __GI___libc_write (/lib/libc.so.6)`],
  ['7f __GI___libc_write (/lib/libc.so.6)', `55 JS:*'_write node:internal/streams/writable:452:16 ${JIT}`],
  [`ffff tcp_recvmsg ${KERNEL}`, `ffff __x64_sys_recvfrom ${KERNEL}`],
  [`ffff ep_poll ${KERNEL}`, `ffff __x64_sys_epoll_wait ${KERNEL}`],
  [`ffff schedule ${KERNEL}`],
  ['55 v8::internal::String::Flatten (/bin/node)', `55 JS:*'#begin ${FILE}/router/src/serve/x.ts:1:1 ${JIT}`],
  ['55 memcpy (/bin/node)', '55 v8::internal::Heap::CollectGarbage(int) (/bin/node)'],
  [`55 JS:*'scanHeaderLines ${FILE}/router/src/http/head-scan.ts:60:32 ${JIT}`],
  [`55 JS:*'pickTarget ${FILE}/core/src/routing/target.ts:75:27 ${JIT}`],
  [`55 JS:*'writeOrBuffer node:internal/streams/writable:550:23 ${JIT}`],
]

test('each stack is filed under one part, by what its innermost frames name', () => {
  const text = STACKS.map((frames) => `${frames.map((frame) => `\t    ${frame}`).join('\n')}\n`).join('\n')
  const seen = Object.entries(fileSamples(`${text}\n`)).filter(([, count]) => count > 0)
  assert.deepEqual(Object.fromEntries(seen), {
    kernelWrite: 2,
    kernelRead: 1,
    kernelPoll: 1,
    kernelOther: 1,
    native: 1,
    collector: 1,
    jsHttp: 1,
    jsCore: 1,
    jsOfNode: 1,
  })
})
