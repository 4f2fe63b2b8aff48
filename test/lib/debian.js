// A bare Debian 12 that the runner made by debootstrap, for what is installed rather than run in place.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Folder of the bare system. */
export const debian = process.env.SHOP_TEST_DEBIAN;

// Mounts live in a namespace of the command's own, so that nothing stays mounted whatever happens.
const enter = `
mount -t proc proc "$0/proc"
mount -t tmpfs -o mode=755 tmpfs "$0/dev"
mknod -m 666 "$0/dev/null" c 1 3
mknod -m 666 "$0/dev/zero" c 1 5
mknod -m 666 "$0/dev/random" c 1 8
mknod -m 666 "$0/dev/urandom" c 1 9
mkdir -m 1777 "$0/dev/shm"
ln -s /proc/self/fd "$0/dev/fd"
exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive bash --norc -euc "$1"`;

/** Runs a script as root inside a copy of the bare system; what it starts ends with it. Gives its output, or fails with it. */
export async function inside(folder, script) {
  try {
    const { stdout } = await run('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'bash', '-euc', enter, folder, script], {
      maxBuffer: 1 << 26,
      timeout: 600_000,
    });
    return stdout;
  } catch (error) {
    throw new Error(`${error.message}\n${error.stdout}${error.stderr}`);
  }
}
