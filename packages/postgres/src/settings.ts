/** The server's parameters: durable as production, small as a laptop that runs twenty of them needs. */
import type { StartOptions } from './server.ts'

const SETTINGS: Readonly<Record<string, string>> = {
  // Durability is not traded, whatever else is small here.
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  // Only TCP on the given address: a Unix socket would lie in a folder that all cells share.
  unix_socket_directories: '',
  // A cell's pools hold 5–10 connections a process; the rest is for an operator's own.
  max_connections: '40',
  shared_buffers: '16MB',
  wal_buffers: '1MB',
  min_wal_size: '16MB',
  max_wal_size: '128MB',
  // PostgreSQL 18 otherwise keeps three I/O worker processes waiting in every cluster.
  io_method: 'sync',
  huge_pages: 'off',
  // A cell's queries are short: parallel workers and compiled plans would cost more than they save.
  max_parallel_workers_per_gather: '0',
  max_worker_processes: '4',
  jit: 'off',
  autovacuum_max_workers: '1',
  // Logical, because a tenant leaves by logical replication, and only a restart could raise it then.
  wal_level: 'logical',
  max_wal_senders: '4',
  max_replication_slots: '4',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] ',
  // Checkpoint chatter would be most of an idle cell's log.
  log_checkpoints: 'off',
}

/** Arguments of `postgres`. On the command line, so that no file in the cluster can disagree with them. */
export function serverArguments(options: StartOptions): string[] {
  const settings = {
    ...SETTINGS,
    listen_addresses: options.host,
    port: String(options.port),
    ...(options.name === undefined ? {} : { cluster_name: options.name }),
    ...options.settings,
  }
  return [
    '-D',
    options.dataDir,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
}
