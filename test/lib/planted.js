// A later version of the extension, made from this one for the upgrade tests: one more step of migrate(), one more function
// and a library that wants both. Its files lie beside the extension's own in the server's folders while the tests run.
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pgBinaries, root, scratch } from './settings.js';

const run = promisify(execFile);
export const plantedVersion = '99.planted';
const fixture = join(root, 'test/installation/planted');

async function edit(file, from, to) {
  const text = await readFile(file, 'utf8');
  if (!text.match(from)) throw new Error(`${file} has nothing like ${from}`);
  await writeFile(file, text.replace(from, to));
}

/** What leads from the present version to the planted one: everything made anew but the types. */
async function upgradeScript(parts) {
  const names = (await readdir(parts)).filter((name) => !/^(10|20)_/.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(parts, name), 'utf8')));
  return texts.join('').replace(/^CREATE (FUNCTION|VIEW)/gm, 'CREATE OR REPLACE $1');
}

export class Planted {
  /** Builds the planted version and installs it. standard: the version that updates to it. */
  static async install(standard) {
    const planted = new Planted();
    const copy = join(scratch, 'planted');
    const { stdout } = await run(`${pgBinaries}/pg_config`, ['--sharedir', '--pkglibdir']);
    const [share, libraries] = stdout.trim().split('\n');
    await rm(copy, { recursive: true, force: true });
    await mkdir(copy);
    await cp(join(root, 'extension'), join(copy, 'extension'), { recursive: true, filter: (name) => !/\.(o|so)$/.test(name) });
    await copyFile(join(root, 'META.json'), join(copy, 'META.json'));
    await edit(join(copy, 'META.json'), /"version": *"[^"]*"/, `"version": "${plantedVersion}"`);
    await edit(join(copy, 'extension/src/installation.h'), /(SHOP_SCHEMA_VERSION) \d+/, '$1 2');
    const parts = join(copy, 'extension/sql/parts');
    for (const name of await readdir(fixture)) await copyFile(join(fixture, name), join(parts, name));
    await edit(join(parts, '40_migrate.sql'), /steps CONSTANT text\[\] := ARRAY\[[^\]]*/, "$&, 'the planted step'");
    await run('make', ['-s', '-C', join(copy, 'extension'), `PG_CONFIG=${pgBinaries}/pg_config`], { maxBuffer: 16 << 20 });

    const versionFile = (name) => join(share, 'extension', `pg_shop--${name}`);
    planted.library = join(libraries, 'pg_shop-planted.so');
    planted.upgradeFile = versionFile(`${standard}--${plantedVersion}.sql`);
    planted.control = versionFile(`${plantedVersion}.control`);
    planted.script = versionFile(`${plantedVersion}.sql`);
    planted.upgrade = await upgradeScript(parts);
    await copyFile(join(copy, 'extension/pg_shop.so'), planted.library);
    await copyFile(join(copy, `extension/sql/pg_shop--${plantedVersion}.sql`), planted.script);
    await writeFile(planted.control, "module_pathname = '$libdir/pg_shop-planted'\n");
    await planted.write(planted.upgrade);
    return planted;
  }

  /** Makes another text the upgrade script. */
  write(text) {
    return writeFile(this.upgradeFile, text);
  }

  async remove() {
    for (const file of [this.library, this.upgradeFile, this.control, this.script]) await rm(file, { force: true });
  }
}
