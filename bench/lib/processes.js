// CPU time and memory of processes, from /proc.
import { readFileSync, readdirSync } from 'node:fs';

const ticksPerSecond = 100; // USER_HZ, which Linux fixes for /proc

/** The fields of /proc/PID/stat after the name, or undefined when the process is gone. */
function statFields(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** CPU seconds (user and kernel) of a process so far: its own, or of its children that have ended. */
function ownSeconds(fields) {
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
function reapedSeconds(fields) {
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond;
}

/** CPU seconds of one program so far, its threads included. */
export function programSeconds(pid) {
  const fields = statFields(pid);
  return fields ? ownSeconds(fields) : 0;
}

/** CPU seconds of the children of ours that have ended: what load generators took. */
export function generatorSeconds() {
  return reapedSeconds(statFields('self'));
}

function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Is this process of the server one that serves a client (and not the checkpointer, the WAL writer and so on)? */
function servesClient(pid) {
  return !/^postgres: (?:[^ ]+: )?(checkpointer|background writer|walwriter|autovacuum|logical replication|stats|archiver|startup)/.test(
    commandLine(pid),
  );
}

/** The server's processes: the postmaster's children. */
export function serverProcesses(postmaster) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({ pid: Number(pid), fields: statFields(pid) }))
    .filter(({ fields }) => fields && Number(fields[1]) === postmaster)
    .map(({ pid, fields }) => ({ pid, seconds: ownSeconds(fields), client: servesClient(pid) }));
}

/** CPU seconds of a server so far: backends (those that have ended included) and auxiliary processes with the postmaster. */
export function serverSeconds(postmaster) {
  const fields = statFields(postmaster);
  const sum = { backends: reapedSeconds(fields), auxiliary: ownSeconds(fields) };
  for (const { seconds, client } of serverProcesses(postmaster)) sum[client ? 'backends' : 'auxiliary'] += seconds;
  return sum;
}

/** Resident memory of a process in bytes: all of it, and what it shares with no file. */
export function memory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (name) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))?.[1] ?? 0) * 1024;
  return { resident: bytes('VmRSS'), anonymous: bytes('RssAnon'), peak: bytes('VmHWM') };
}
