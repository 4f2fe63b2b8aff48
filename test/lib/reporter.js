// Reporter of Node's test runner: a line per test file and every failure in full on stdout, and a line of TAP per test (not
// per group) appended to SHOP_TEST_TALLY, which test/run counts.
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { inspect } from 'node:util';

const tally = process.env.SHOP_TEST_TALLY;

function failure({ name, file, details }) {
  const error = details.error?.cause ?? details.error;
  const text = error?.stack ?? inspect(error);
  return `\n    failed  ${basename(file ?? '')}: ${name}\n${String(text).replace(/^/gm, '        ')}\n\n`;
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
      appendFileSync(tally, `not ok - ${file}: ${data.name}\n`);
      yield failure(data);
    }
  }
  for (const [file, { passed, failed, time }] of files) {
    yield `    ${file.padEnd(28)} ${String(passed).padStart(4)} passed ${String(failed).padStart(4)} failed  ${(time / 1000).toFixed(1)} s\n`;
  }
}
