// The queue of the development profile: an SQS-compatible server in memory, with the shop's queues made at start. With
// --ready it starts none and tells, by its exit status, whether the one of this container answers.
const port = Number(process.env.QUEUE_PORT ?? 9324);

if (process.argv[2] === '--ready') {
  const answered = await fetch(`http://127.0.0.1:${port}/health`).then((answer) => answer.ok, () => false);
  process.exit(answered ? 0 : 1);
}

const { startFauxqs } = await import('fauxqs');
const server = await startFauxqs({
  port,
  logger: false,
  init: { queues: [{ name: 'payments' }, { name: 'payments-dlq' }] },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.stop().then(() => process.exit(0)));
