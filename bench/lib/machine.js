// The machine, the versions and the settings that the results belong to.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { queryOne, serverSettings } from './database.js';
import { settings } from './settings.js';

function words(program, ...args) {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .split('\n')[0]
      .trim();
  } catch (error) {
    return (
      String(error.stdout ?? '')
        .split('\n')[0]
        .trim() || 'unknown'
    );
  }
}

const packageVersion = (name) =>
  JSON.parse(readFileSync(`${settings.root}/bench/node_modules/${name}/package.json`, 'utf8')).version;

export async function describeMachine() {
  return {
    at: new Date().toISOString(),
    mode: settings.mode,
    seconds: settings.seconds,
    repeats: settings.repeats,
    cpu: os.cpus()[0].model,
    cores: os.cpus().length,
    memory_gb: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    load: os.loadavg()[0],
    delay: settings.delay,
    queue: settings.queue,
    versions: {
      pg_shop: settings.version,
      commit: words('git', '-C', settings.root, 'describe', '--always', '--dirty'),
      PostgreSQL: (await queryOne('SHOW server_version')).server_version,
      Node: process.version,
      Express: packageVersion('express'),
      'node-postgres': packageVersion('pg'),
      wrk: words('wrk', '--version').match(/wrk (?:debian\/)?([^ ]+)/)?.[1] ?? 'unknown',
    },
    server: await serverSettings(),
  };
}
