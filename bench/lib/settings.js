// What bench/run hands over in the environment, checked.
import { readFileSync } from 'node:fs';

function text(name, fallback) {
  const value = process.env[name] || fallback;
  if (value === undefined) throw new Error(`${name} is not set; run bench/run`);
  return value;
}

function number(name, fallback, low, high) {
  const value = Number(text(name, String(fallback)));
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new Error(`${name} must be an integer from ${low} to ${high}`);
  }
  return value;
}

function list(name, fallback) {
  return text(name, fallback).split(',').filter(Boolean);
}

const quick = process.env.BENCH_MODE === 'quick';

export const settings = {
  root: text('BENCH_ROOT'),
  folder: text('BENCH_STATE'),
  mode: text('BENCH_MODE', 'full'),
  socket: text('BENCH_SOCKET'),
  delay: text('BENCH_DELAY', 'yes') === 'yes', // some arms also with a delayed network
  reportFolder: text('BENCH_REPORT'),
  plots: text('BENCH_PLOTS', 'yes') === 'yes',
  seconds: number('BENCH_SECONDS', quick ? 2 : 5, 1, 3600),
  warmup: number('BENCH_WARMUP', 1, 1, 60),
  repeats: number('BENCH_REPEATS', quick ? 1 : 3, 1, 100),
  arms: process.env.BENCH_ARMS ? list('BENCH_ARMS') : undefined,
  loads: list('BENCH_LOADS', 'spread,zipf,hot'),
  queue: text('BENCH_QUEUE', 'embedded'),
  orders: list('ORDERS', '0,1000000,10000000').map(Number),
  minutes: number('MINUTES', 10, 1, 10000),
  products: 1000,
  stock: 1_000_000,
  seedOrders: 2000,
  version: JSON.parse(readFileSync(`${text('BENCH_ROOT')}/META.json`, 'utf8')).version,
};
for (const load of settings.loads) {
  if (!['spread', 'zipf', 'hot'].includes(load)) throw new Error(`BENCH_LOADS: there is no load '${load}'`);
}
if (!['embedded', 'sqs'].includes(settings.queue)) throw new Error('BENCH_QUEUE must be embedded or sqs');
if (settings.orders.some((orders) => !Number.isInteger(orders) || orders < 0)) {
  throw new Error('ORDERS must be a list of numbers, like 0,1000000');
}
