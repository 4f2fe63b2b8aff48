// Results: one line of JSON per measurement, in a file per run.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { settings } from './settings.js';

const folder = `${settings.folder}/results`;

/** Begins the file of a kind of run; the one before is kept beside it. */
export function beginResults(kind, machine) {
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/${kind}.jsonl`;
  if (existsSync(file)) writeFileSync(`${folder}/${kind}.previous.jsonl`, readFileSync(file));
  writeFileSync(file, `${JSON.stringify({ kind: 'machine', ...machine })}\n`);
  return (record) => appendFileSync(file, `${JSON.stringify(record)}\n`);
}

/** All records of the newest run of that kind; none when there was no run. */
export function readResults(kind) {
  const file = `${folder}/${kind}.jsonl`;
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}
