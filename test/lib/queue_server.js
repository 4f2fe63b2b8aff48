// The queue server (fauxqs), bound to the loopback interface: node queue_server.js PORT
// It would listen on every interface, so listen() is turned to 127.0.0.1 before it is loaded.
import net from 'node:net';

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function listenOnLoopback(...given) {
  if (given[0] && typeof given[0] === 'object' && given[0].port !== undefined) given[0] = { ...given[0], host: '127.0.0.1' };
  return listen.apply(this, given);
};
const { startFauxqs } = await import('fauxqs');
const server = await startFauxqs({
  port: Number(process.argv[2]),
  logger: false,
  init: {
    queues: [
      { name: 'payments' }, { name: 'payments-dlq' },
      { name: 'payments.fifo', attributes: { FifoQueue: 'true' } }, { name: 'payments-dlq.fifo', attributes: { FifoQueue: 'true' } },
    ],
  },
});
process.on('SIGTERM', () => server.stop().then(() => process.exit(0)));
