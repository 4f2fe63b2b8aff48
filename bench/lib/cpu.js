// CPU time by process of everything that takes part in a measurement.
import { postmaster } from './database.js';
import { programSeconds, serverSeconds } from './processes.js';

/** CPU seconds of everything that takes part, so far. */
export function cpuNow(programs, generator) {
  const sums = { ...serverSeconds(postmaster()), generator: generator ? programSeconds(generator.pid) : 0 };
  for (const [name, program] of Object.entries(programs)) sums[name] = programSeconds(program.pid);
  return sums;
}

/** Microseconds of CPU for each order, by process. */
export function cpuPerOrder(before, after, orders) {
  return Object.fromEntries(Object.keys(after).map((name) => [name, (1e6 * (after[name] - before[name])) / orders]));
}
