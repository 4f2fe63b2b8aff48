// The queue of the development profile: an SQS-compatible server in memory, with the shop's queues made at start.
import { startFauxqs } from 'fauxqs';

const server = await startFauxqs({
  port: Number(process.env.QUEUE_PORT ?? 9324),
  logger: false,
  init: { queues: [{ name: 'payments' }, { name: 'payments-dlq' }] },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.stop().then(() => process.exit(0)));
