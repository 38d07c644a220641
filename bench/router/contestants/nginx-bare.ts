/** nginx without cell routing: one worker, keep-alive on both sides, bodies streamed and not written to disk. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePortRange } from '@cellplane/testing'
import { startPinned } from '../processes/pinned-process.ts'
import type { Contestant } from './contestant.ts'

export const nginxBare: Contestant = {
  name: 'nginx-bare',
  isRouting: false,
  isJustInTime: false,
  needs: { program: 'nginx', debian: 'nginx-light' },
  version: () => /nginx\/(\S+)/.exec(spawnSync('nginx', ['-v']).stderr.toString())![1]!,
  async start({ folder: parent, core, ports }) {
    const folder = mkdtempSync(join(parent, 'nginx-'))
    const port = await freePortRange(1)
    const file = join(folder, 'nginx.conf')
    writeFileSync(file, configOf(folder, port, ports))
    const started = startPinned(['nginx', '-c', file, '-e', 'stderr'], {
      core,
      outputFile: join(folder, 'output.log'),
    })
    await started.untilListening(port)
    return { ...started, port }
  },
}

function configOf(folder: string, port: number, ports: readonly number[]): string {
  return `
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/nginx.pid;
error_log stderr warn;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 19000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 120s;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  scgi_temp_path ${folder}/scgi;
  uwsgi_temp_path ${folder}/uwsgi;
  upstream cells {
    ${ports.map((port) => `server 127.0.0.1:${port};`).join('\n    ')}
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://cells;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      client_max_body_size 0;
    }
  }
}
`
}
