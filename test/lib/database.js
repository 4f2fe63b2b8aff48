// Databases of the private cluster, through psql.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { pgBinaries, sharedCluster, templateDatabase } from './settings.js';
import { within } from './wait.js';

const run = promisify(execFile);
let made = 0;

function psqlArguments(cluster, name) {
  return ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-h', cluster.socket, '-p', String(cluster.port),
    '-U', 'postgres', '-d', name];
}

export class Database {
  constructor(name, cluster = sharedCluster) {
    this.name = name;
    this.cluster = cluster;
  }

  /** A new database of this test file's own, ready to use: extension, tables and roles are there. */
  static async create(cluster = sharedCluster) {
    made += 1;
    const database = new Database(`t_${process.pid}_${made}`, cluster);
    await new Database('postgres', cluster).sql(
      `CREATE DATABASE ${database.name} TEMPLATE ${templateDatabase}`,
    );
    return database;
  }

  /** What a program connects with; role is 'gateway' or 'poller'. */
  url(role) {
    const host = encodeURIComponent(this.cluster.socket);
    return `postgresql://shop_test_${role}@/${this.name}?host=${host}&port=${this.cluster.port}`;
  }

  /** Runs SQL as the superuser and gives its output as text. */
  async sql(text) {
    const { stdout } = await run(`${pgBinaries}/psql`, [...psqlArguments(this.cluster, this.name), '-c', text], {
      maxBuffer: 64 << 20,
    });
    return stdout.trimEnd();
  }

  /** The rows of a query, as objects. */
  async rows(query) {
    const text = await this.sql(`SELECT coalesce(json_agg(r), '[]') FROM (${query}) r`);
    return JSON.parse(text);
  }

  /** The one value of a query. */
  async value(query) {
    const rows = await this.rows(query);
    assert.equal(rows.length, 1, `one row expected of: ${query}`);
    return Object.values(rows[0])[0];
  }

  /** The integrity report must be empty. */
  async verify() {
    assert.deepEqual(await this.rows('SELECT * FROM shop.verify(1)'), [], 'shop.verify(1) is empty');
  }

  /** A session that stays open, for locks that a test holds: say() runs statements, end() rolls back. */
  session() {
    return new Session(this);
  }

  async drop() {
    await new Database('postgres', this.cluster).sql(`DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`);
  }
}

class Session {
  constructor(database) {
    this.child = spawn(`${pgBinaries}/psql`, psqlArguments(database.cluster, database.name), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    // A test that fails may leave it open: psql ends with the test file, whose pipe it reads.
    for (const handle of [this.child, this.child.stdin, this.child.stdout]) handle.unref();
    this.output = '';
    this.said = 0;
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      this.output += text;
    });
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
  }

  /** Runs statements and waits until they are done. */
  async say(statements) {
    this.said += 1;
    const mark = `-- done ${this.said} --`;
    const seen = new Promise((resolve) => {
      const look = () => {
        if (!this.output.includes(mark)) return;
        this.child.stdout.off('data', look);
        resolve();
      };
      this.child.stdout.on('data', look);
    });
    this.child.stdin.write(`${statements};\n\\echo ${mark}\n`);
    await within(20, statements, Promise.race([seen, this.ended.then(() => assert.fail('psql ended'))]));
  }

  /** Rolls back and leaves. */
  async end() {
    this.child.stdin.end('ROLLBACK;\n');
    await within(20, 'psql ends', this.ended);
  }
}
