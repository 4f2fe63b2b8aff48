// Reporter of Node's test runner: a line per test file and every failure in full on stdout, and a line of TAP per test (not
// per group) appended to SHOP_TEST_TALLY, which test/run counts. What a failure says first follows its line there, for the summary.
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { inspect } from 'node:util';

const tally = process.env.SHOP_TEST_TALLY;

/** What a failed test threw, and what that says was the cause. */
function reason({ details }) {
  const errors = [];
  for (let error = details.error?.cause ?? details.error; error !== undefined && error !== null; error = error.cause) errors.push(error);
  return errors.map((error) => String(error.stack ?? inspect(error))).join('\ncaused by: ');
}

function failure(data) {
  return `\n    failed  ${basename(data.file ?? '')}: ${data.name}\n${reason(data).replace(/^/gm, '        ')}\n\n`;
}

/** The first lines of a failure as comments of TAP: its message, without the stack. */
function comment(data) {
  const lines = reason(data).split('\n').filter((line) => line.trim() !== '' && !/^\s+at /.test(line));
  return lines.slice(0, 8).map((line) => `#   ${line}\n`).join('');
}

export default async function* report(events) {
  const files = new Map();
  for await (const { type, data } of events) {
    if (type === 'test:stderr' || type === 'test:stdout') {
      yield data.message;
      continue;
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const file = basename(data.file ?? data.name);
    const counted = files.get(file) ?? { passed: 0, failed: 0, time: 0 };
    files.set(file, counted);
    if (data.nesting === 0) counted.time += data.details.duration_ms;
    // A failed group that only says that a test in it failed is not a failure of its own.
    const group = data.details.type === 'suite' || data.name === data.file;
    const ofItsOwn = type === 'test:fail' && data.details.error?.failureType !== 'subtestsFailed';
    if (group && !ofItsOwn) continue;
    if (data.skip !== undefined || data.todo !== undefined) continue;
    if (type === 'test:pass') {
      counted.passed += 1;
      appendFileSync(tally, `ok - ${file}: ${data.name}\n`);
    } else {
      counted.failed += 1;
      appendFileSync(tally, `not ok - ${file}: ${data.name}\n${comment(data)}`);
      yield failure(data);
    }
  }
  for (const [file, { passed, failed, time }] of files) {
    yield `    ${file.padEnd(28)} ${String(passed).padStart(4)} passed ${String(failed).padStart(4)} failed  ${(time / 1000).toFixed(1)} s\n`;
  }
}
