// Writes the table of a run into docs/reliability.md, between its two marks: node report.js RESULTS DOCUMENT ROUNDS
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

const [results, document, rounds] = process.argv.slice(2);
const groups = ['Processes', 'Standstill', 'Network', 'Payments', 'Disk', 'Failover', 'Crash points', 'Races', 'Planted bugs'];
const marks = ['<!-- the table: written by make check-faults -->', '<!-- end of the table -->'];

const lines = readdirSync(results).sort().map((file) => JSON.parse(readFileSync(join(results, file), 'utf8')));

/** "20", or "20 (median), 31 (longest)" of several. */
function milliseconds(values = []) {
  if (values.length === 0) return '–';
  const sorted = values.map(Math.round).sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  return sorted.length === 1 ? `${median}` : `${median}, at most ${sorted.at(-1)}`;
}

function underLoad(group) {
  const head = ['| Fault | Times | Acknowledged | Answers lost | Orders lost | Doubled | Back after, ms | All settled after, s |', '|---|---|---|---|---|---|---|---|'];
  return [...head, ...group.map((line) => line.skipped !== undefined
    ? `| ${line.name} | not run: ${line.skipped} | | | | | | |`
    : `| ${line.name} | ${line.count} | ${line.acknowledged} | ${line.unanswered} | ${line.lost} | ${line.doubled} | ${milliseconds(line.recoveryMs)} | ${(line.drainedMs / 1000).toFixed(1)} |`)];
}

function planted(group) {
  return ['| Bug | Said by the judge, among others |', '|---|---|',
    ...group.map((line) => `| ${line.name.replace('reported: ', '')} | ${line.reported}: ${line.example} |`)];
}

function table(name) {
  const group = lines.filter((line) => line.group === name);
  if (group.length === 0) return [];
  const body = { Races: () => group.map((line) => `- ${line.name}`), 'Planted bugs': () => planted(group) }[name] ?? (() => underLoad(group));
  return [`### ${name}`, '', ...body(), ''];
}

const unknown = lines.filter(({ group }) => !groups.includes(group));
if (unknown.length > 0) throw new Error(`no place in the document for ${unknown[0].group}`);
const text = readFileSync(document, 'utf8');
const [from, to] = marks.map((mark) => text.indexOf(mark));
if (from < 0 || to < from) throw new Error(`${document} has not the marks of the table`);
const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, ${new Date().toISOString().slice(0, 10)}, FAULT_ROUNDS=${rounds}${process.env.FAULT_WAITS === 'long' ? ', standstills of 10 s, the queue away for 60 s' : ''}`;
const written = [marks[0], '', `Measured on a machine that others used too: ${machine}.`, '', ...groups.flatMap(table)].join('\n');
writeFileSync(document, text.slice(0, from) + written + text.slice(to));
