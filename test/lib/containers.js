// Images and containers of a test's own: what podman and buildah keep lies in a folder, apart from whatever else the machine
// has, and goes when the test goes.
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debian } from './debian.js';
import { root, scratch } from './settings.js';
import { eventually } from './wait.js';

const run = promisify(execFile);
const folder = join(scratch, 'containers');

/** What the images' names begin with: the names that compose.yml and the manifests know. */
export const prefix = 'localhost/pg_shop-';

/** podman would mount writable folders into a read-only container, which docker does not. */
export const readOnly = ['--read-only', '--read-only-tmpfs=false'];

const withoutRights = ['--network', 'host', ...readOnly, '--cap-drop', 'all', '--security-opt', 'no-new-privileges'];

/** Variables of podman, buildah and podman-compose that make them use the folder. */
export const environment = {
  ...process.env,
  CONTAINERS_CONF: join(folder, 'containers.conf'),
  CONTAINERS_STORAGE_CONF: join(folder, 'storage.conf'),
};

/** May folders of the test's own be laid over each other? */
function canOverlay() {
  const folders = ['lower', 'upper', 'work', 'merged'].map((name) => join(folder, 'probe', name));
  const script = 'mkdir -p "$@" && mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"';
  return run('unshare', ['--mount', 'bash', '-c', script, 'probe', ...folders]).then(
    () => true,
    () => false,
  );
}

/**
 * Makes the folder with its settings. The driver vfs works on every file system, but copies an image for each step of it. The
 * limits are given because the defaults ask for more than a test may have.
 */
export async function openStorage() {
  await mkdir(folder, { recursive: true });
  const driver = (await canOverlay()) ? 'overlay' : 'vfs';
  await writeFile(
    environment.CONTAINERS_STORAGE_CONF,
    `[storage]\ndriver = "${driver}"\ngraphroot = "${folder}/storage"\nrunroot = "${folder}/run"\n`,
  );
  await writeFile(
    environment.CONTAINERS_CONF,
    `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
network_config_dir = "${folder}/networks"
`,
  );
}

export async function removeStorage() {
  // podman may have left the layers' folder mounted on itself.
  await run('umount', [join(folder, 'storage/overlay')]).catch(() => {});
  await run('rm', ['-rf', '--one-file-system', folder]);
}

/** The bare system becomes the image that the build takes for its base. */
export async function buildBase() {
  const archive = join(folder, 'base.tar');
  await run('tar', ['-C', debian, '--exclude=./var/cache/apt/archives/*.deb', '--exclude=./var/lib/apt/lists/*', '-cf', archive, '.']);
  await run('podman', ['import', archive, 'shop-test-base'], { env: environment });
  await rm(archive);
}

/** Builds images as `make docker` does, on the bare system: those that are named, or all but the queue's. */
export async function buildImages(...names) {
  await run(join(root, 'docker/build'), names, {
    env: { ...environment, BUILDER: 'buildah build --format docker --layers --isolation chroot', BASE_IMAGE: 'localhost/shop-test-base', IMAGE_PREFIX: prefix },
    maxBuffer: 1 << 27,
  });
}

/** The size of an image in bytes. */
export async function imageSize(name) {
  return Number((await run('podman', ['image', 'inspect', '--format', '{{.Size}}', prefix + name], { env: environment })).stdout);
}

/** The containers of one private network. */
export class Containers {
  constructor(network) {
    this.network = network;
    this.started = [];
  }

  /** Runs podman; gives what it prints, without its last newline. */
  async podman(...args) {
    return (await this.network.run('podman', args, { env: environment })).stdout.trim();
  }

  /** Starts a container without rights, with these variables and further options of podman; gives its id. */
  async start(image, variables, ...options) {
    const id = await this.podman('run', '--detach', ...withoutRights, ...given(variables), ...options, prefix + image);
    this.started.push(id);
    return id;
  }

  /** Runs a container without rights to its end; gives what it prints. */
  async finish(image, variables, ...command) {
    return this.podman('run', '--rm', ...withoutRights, ...given(variables), image, ...command);
  }

  /** Waits until the image's own health check passes. */
  async healthy(id) {
    try {
      // The command fails while the container is not healthy.
      await eventually(`${id} is healthy`, () => this.podman('healthcheck', 'run', id).then(() => true), 60);
    } catch (error) {
      throw new Error(`${error.message}\n${await this.logs(id)}`);
    }
  }

  /** All that a container has written to either stream. */
  async logs(id) {
    const { stdout, stderr } = await this.network.run('podman', ['logs', id], { env: environment });
    return stdout + stderr;
  }

  async removeAll() {
    for (const id of this.started.reverse()) await this.podman('rm', '--force', '--volumes', id);
  }
}

/** Variables as arguments of podman. */
function given(variables) {
  return Object.entries(variables).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
}
