// The Debian packages: built, read by lintian, and installed, upgraded and removed on a bare system.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { debian, inside } from '../lib/debian.js';
import { root, scratch } from '../lib/settings.js';

const run = promisify(execFile);
const folder = join(scratch, 'packages');
const system = join(folder, 'system');

// As user postgres: a cluster in the folder that Debian would take, without the service manager that a chroot lacks.
const server = `
export PATH=/usr/lib/postgresql/15/bin:$PATH
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; }
start() { as_postgres pg_ctl start -w -s -D /srv/data -l /srv/log -o "-k /srv -c listen_addresses=''"; }
stop() { as_postgres pg_ctl stop -w -s -m fast -D /srv/data; }
sql() { as_postgres psql -XqAt -v ON_ERROR_STOP=1 -h /srv -d shop "$@"; }
cd /srv
`;

/** Unpacks a package, raises its version, and packs it again beside the first. */
async function nextVersion(name, version) {
  const content = join(folder, 'next', name);
  await run('dpkg-deb', ['-R', join(system, 'srv', `${name}_${version}_amd64.deb`), content]);
  await run('sed', ['-i', `s/^Version: .*/Version: ${version}+1/`, join(content, 'DEBIAN/control')]);
  await run('dpkg-deb', ['-b', content, join(system, 'srv', `${name}_${version}+1_amd64.deb`)]);
}

describe('Debian packages', () => {
  const names = ['postgresql-15-pg-shop', 'shop-gateway', 'shop-poller'];
  let version;

  before(async () => {
    ({ version } = JSON.parse(await readFile(join(root, 'META.json'), 'utf8')));
    await run(join(root, 'scripts/build-packages'), [], { maxBuffer: 1 << 26 });
    await mkdir(folder, { recursive: true });
    await run('cp', ['-a', debian, system]);
    for (const name of names) await cp(join(root, 'dist', `${name}_${version}_amd64.deb`), join(system, 'srv', `${name}_${version}_amd64.deb`));
    await mkdir(join(folder, 'next'));
    for (const name of names) await nextVersion(name, version);
  });

  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test('are what is expected', async () => {
    const made = (await readdir(join(root, 'dist'))).filter((name) => name.endsWith('.deb') && !name.includes('-dbgsym'));
    for (const name of names) assert.ok(made.includes(`${name}_${version}_amd64.deb`), made.join(' '));
  });

  test('install, and the shop opens', async () => {
    const said = await inside(
      system,
      `mkdir -p /etc/postgresql-common/createcluster.d
       echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/test.conf
       apt-get -qq update
       apt-get -qq -y install --no-install-recommends ${names.map((name) => `/srv/${name}_${version}_amd64.deb`).join(' ')} >/srv/apt.log 2>&1 || { cat /srv/apt.log; exit 1; }
       ${server}
       chown postgres /srv
       as_postgres initdb -D /srv/data --auth=trust >/dev/null
       start
       as_postgres createdb -h /srv shop
       sql -o /dev/null -c 'CREATE EXTENSION pg_shop' -c 'SELECT shop.migrate()' -f /usr/share/pg_shop/roles.sql
       sql -c "SELECT (shop.create_product(1, 'MUG', 'Mug', 19.99, 'test', NULL)).status"
       stop
       export DATABASE_URL='host=/srv dbname=shop' JWT_SECRET=a-secret-of-the-package-test-0123456789
       shop-gateway --check-config && shop-gateway --version && shop-poller --check-config && shop-poller --version
       test -s /usr/share/man/man8/shop-gateway.8.gz && test -s /lib/systemd/system/shop-poller.service`,
    );
    assert.match(said, /^201$/m);
    assert.equal(said.split(version).length, 3, said);
  });

  test('bring units that systemd takes as they are, and that give away next to nothing', async () => {
    const units = ['shop-gateway', 'shop-poller'].map((name) => `/lib/systemd/system/${name}.service`);
    // Less is better; 2.0 is what a service that only talks to the network can reach. Without --offline it would ask a
    // running systemd.
    await inside(
      system,
      `apt-get -qq -y install --no-install-recommends systemd man-db >/srv/apt.log 2>&1 || { cat /srv/apt.log; exit 1; }
       faultless() { said=$(systemd-analyze verify "$1" 2>&1) || true; echo "$said" >&2; test -z "$said"; }
       closed() { systemd-analyze security --offline=true --threshold=20 "$1" >/srv/security.log; }
       for unit in ${units.join(' ')}; do
         faultless "$unit"
         closed "$unit" || { cat /srv/security.log; exit 1; }
       done
       sed '/^ProtectSystem=/d; /^CapabilityBoundingSet=/d' ${units[0]} >/srv/loose.service
       if closed /srv/loose.service; then echo 'a loose unit is not noticed'; exit 1; fi
       sed 's/^Type=.*/Type=sometimes/' ${units[0]} >/srv/faulty.service
       if faultless /srv/faulty.service 2>/dev/null; then echo 'a faulty unit is not noticed'; exit 1; fi`,
    );
  });

  test('upgrade, and everything is still there', async () => {
    const said = await inside(
      system,
      `apt-get -qq -y install --no-install-recommends ${names.map((name) => `/srv/${name}_${version}+1_amd64.deb`).join(' ')} >/srv/apt.log 2>&1 || { cat /srv/apt.log; exit 1; }
       dpkg-query -W -f '\${Version}\\n' ${names.join(' ')}
       ${server}
       start
       sql -c 'ALTER EXTENSION pg_shop UPDATE' -c 'SELECT shop.migrate()' -c 'SELECT sku FROM shop.products' -c 'SELECT * FROM shop.verify(1)'
       stop`,
    );
    assert.equal(said.trim(), [`${version}+1`, `${version}+1`, `${version}+1`, 'MUG'].join('\n'));
  });

  test('go away, and leave the data', async () => {
    const said = await inside(
      system,
      `apt-get -qq -y purge ${names.join(' ')} >/srv/apt.log 2>&1 || { cat /srv/apt.log; exit 1; }
       for file in /usr/bin/shop-gateway /usr/bin/shop-poller /usr/lib/postgresql/15/lib/pg_shop.so /usr/share/pg_shop \
         /usr/share/postgresql/15/extension/pg_shop.control /lib/systemd/system/shop-gateway.service /lib/systemd/system/shop-poller.service \
         /usr/share/man/man8/shop-gateway.8.gz /usr/share/man/man8/shop-poller.8.gz; do test ! -e "$file"; done
       if dpkg-query -W ${names.join(' ')} 2>/dev/null | grep .; then exit 1; fi
       ${server}
       start
       sql -c 'SELECT sku FROM shop.products'
       stop`,
    );
    assert.equal(said.trim(), 'MUG');
  });
});
