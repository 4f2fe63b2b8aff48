// A door into a network namespace: node relay.js SOCKET. Each connection to the Unix socket begins with a line HOST:PORT, is
// joined with that address of the namespace that this process runs in, and is passed on. Ends when its standard input does.
import { connect, createServer } from 'node:net';

function join(incoming) {
  incoming.once('data', (bytes) => {
    const end = bytes.indexOf('\n');
    const [host, port] = bytes.subarray(0, end).toString().split(':');
    const outgoing = connect(Number(port), host);
    for (const [socket, other] of [[incoming, outgoing], [outgoing, incoming]]) {
      socket.on('error', () => other.destroy());
      socket.pipe(other);
    }
    outgoing.write(bytes.subarray(end + 1));
  });
  incoming.on('error', () => {});
}

createServer(join).listen(process.argv[2], () => console.log('open'));
process.stdin.resume().once('end', () => process.exit());
