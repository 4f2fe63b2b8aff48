// What the kernel tells of a running process.
import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 10; // Linux counts in hundredths of a second towards user space, on every architecture that Debian has

/** User and system time so far, in ms. */
export function processorMilliseconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** The number of its open descriptors. */
export function openFiles(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Its resident memory in kB. */
export function residentKilobytes(pid) {
  return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m)[1]);
}
