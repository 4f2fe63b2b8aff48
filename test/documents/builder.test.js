// docker/build on machines that differ in what is installed, and in what of it works. Nothing is built.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { root, scratch } from '../lib/settings.js';

const run = promisify(execFile);
const folder = join(scratch, 'builder');

/** A machine whose only builders are these: { docker: works, ... }. Gives the folder that is its PATH. */
async function machine(name, builders) {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  for (const tool of ['bash', 'dirname', 'head', 'sed']) {
    const { stdout } = await run('bash', ['-c', `type -P ${tool}`]);
    await symlink(stdout.trim(), join(path, tool));
  }
  for (const [builder, works] of Object.entries(builders)) {
    await writeFile(join(path, builder), `#!/bin/bash\nif [[ $1 == info ]]; then exit ${works ? 0 : 1}; fi\necho "used ${builder} $*"\n`);
    await chmod(join(path, builder), 0o755);
  }
  return path;
}

/** What docker/build says on such a machine when the poller's image is asked for. */
async function build(name, builders, environment = {}) {
  const { stdout } = await run(join(root, 'docker/build'), ['poller'], { env: { PATH: await machine(name, builders), ...environment } });
  return stdout;
}

/** What it says when no image is named, and the images that it builds. */
async function buildAll(name, builders) {
  const { stdout: said } = await run(join(root, 'docker/build'), [], { env: { PATH: await machine(name, builders) } });
  return { said, images: [...said.matchAll(/--target (\w+)/g)].map(([, image]) => image) };
}

describe('docker/build', () => {
  before(() => rm(folder, { recursive: true, force: true }));
  after(() => rm(folder, { recursive: true, force: true }));

  test('takes docker where its engine answers', async () => {
    const said = await build('engine', { docker: true, podman: true, buildah: true });
    assert.match(said, /^used docker build .*--target poller --tag pg_shop-poller:\d+\.\d+\.\d+ /m);
  });

  test('passes over a docker without an engine, and a podman that does not work', async () => {
    assert.match(await build('client', { docker: false, podman: true, buildah: true }), /^used podman build --format docker /m);
    assert.match(await build('broken', { docker: false, podman: false, buildah: true }), /^used buildah build --format docker /m);
    assert.match(await build('alone', { buildah: true }), /^used buildah build --format docker /m);
  });

  test('says so, and fails, where none works', async () => {
    await assert.rejects(build('none', { docker: false }), ({ code, stderr }) => code === 1 && /none of docker, podman and buildah/.test(stderr));
  });

  test('asks nobody where BUILDER names one', async () => {
    assert.match(await build('named', { docker: false, buildah: true }, { BUILDER: 'docker build --pull' }), /^used docker build --pull /m);
  });

  test('builds all but the development queue where no image is named, and fetches what /docs shows', async () => {
    const { said, images } = await buildAll('all', { docker: true, make: true });
    assert.deepEqual(images, ['gateway', 'poller', 'database', 'migrate']);
    assert.match(said, /^used make .*\/gateway swagger-ui$/m);
  });

  test('builds all the same where that cannot be fetched', async () => {
    assert.equal((await buildAll('offline', { docker: true })).images.length, 4);
  });
});
