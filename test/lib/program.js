// A program under test: started with an environment of its own, its JSON log lines kept, ended and examined.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { eventually, within } from './wait.js';

const running = new Set();
process.on('exit', () => {
  for (const program of running) program.child.kill('SIGKILL');
});

const sanitizerWords = /AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:/;

export class Program {
  /** Starts path with exactly this environment (and what the sanitizers need). */
  constructor(path, environment, args = []) {
    this.path = path;
    this.lines = [];
    this.stdout = '';
    this.stderr = '';
    this.child = spawn(path, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        ASAN_OPTIONS: 'exitcode=99:detect_leaks=1:abort_on_error=0',
        UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:exitcode=99',
        ...environment,
      },
    });
    running.add(this);
    // A test that fails may leave it running: it must not keep the test file from ending, which ends it.
    for (const handle of [this.child, this.child.stdout, this.child.stderr]) handle.unref();
    this.#collect('stdout');
    this.#collect('stderr');
    this.exit = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        running.delete(this);
        this.exited = { code, signal };
        resolve(this.exited);
      });
    });
  }

  #collect(stream) {
    let rest = '';
    this.child[stream].setEncoding('utf8').on('data', (text) => {
      this[stream] += text;
      const parts = (rest + text).split('\n');
      rest = parts.pop();
      for (const part of parts) this.#line(stream, part);
    });
  }

  #line(stream, text) {
    let fields;
    try {
      fields = JSON.parse(text);
    } catch {
      return; // stdout and stderr keep it; assertCleanLog() complains about it
    }
    Object.defineProperty(fields, 'stream', { value: stream });
    this.lines.push(fields);
  }

  /** The log lines of an event that have at least these fields. */
  events(event, fields = {}) {
    return this.lines.filter(
      (line) => line.event === event && Object.entries(fields).every(([name, value]) => line[name] === value),
    );
  }

  /** Waits for a log line and gives it back. */
  async event(event, fields = {}, seconds = 15) {
    return eventually(
      `log line ${event} ${JSON.stringify(fields)} of ${this.path}; log so far:\n${this.stdout}${this.stderr}`,
      () => this.events(event, fields)[0],
      seconds,
    );
  }

  /** Waits for the end by itself; gives { code, signal }. */
  async ended(seconds = 20) {
    const exit = await within(seconds, `end of ${this.path}; its log:\n${this.stdout}${this.stderr}`, this.exit);
    this.assertNoSanitizerFinding();
    return exit;
  }

  /** SIGTERM; it must drain and end with 0, without any finding of the sanitizers. */
  async stop(seconds = 20) {
    if (!this.exited) this.child.kill('SIGTERM');
    const exit = await this.ended(seconds);
    assert.deepEqual(exit, { code: 0, signal: null }, `${this.path} ends with 0; its log:\n${this.stderr}`);
  }

  assertNoSanitizerFinding() {
    assert.doesNotMatch(this.stderr, sanitizerWords);
  }

  /** Every line is a JSON object with ts, level and event, on the stream of its level. */
  assertCleanLog() {
    for (const stream of ['stdout', 'stderr']) {
      for (const text of this[stream].split('\n').filter(Boolean)) {
        const line = JSON.parse(text);
        assert.match(line.ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, text);
        assert.ok(['debug', 'info', 'warn', 'error'].includes(line.level), text);
        assert.equal(typeof line.event, 'string', text);
        const wanted = ['warn', 'error'].includes(line.level) ? 'stderr' : 'stdout';
        assert.equal(stream, wanted, `level ${line.level} belongs on ${wanted}: ${text}`);
      }
    }
  }
}
