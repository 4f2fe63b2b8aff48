// CPU time by process of everything that takes part in a measurement.
import { postmaster } from './database.js';
import { programSeconds, serverProcesses, serverSeconds } from './processes.js';
import { until } from './programs.js';

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

/** How many sessions the server has now. */
export const countSessions = () => serverProcesses(postmaster()).filter(({ client }) => client).length;

/**
 * CPU seconds once the sessions of a load generator that has ended are gone. A session that ends while we look would be
 * counted neither as a process nor as one that has ended.
 */
export async function cpuAfter(programs, sessions) {
  await until('the sessions have ended', async () => countSessions() <= sessions);
  return cpuNow(programs);
}
