// The queue server of the tests, for runs over SQS instead of the embedded queue.
import { freePort, Program } from './programs.js';
import { settings } from './settings.js';

/** Starts it with two empty queues; environment is what the poller needs to use it. */
export async function startQueue() {
  const port = await freePort();
  const program = new Program('queue', process.execPath, [`${settings.root}/test/lib/queue_server.js`, String(port)]);
  await program.ready(() =>
    fetch(`http://127.0.0.1:${port}/health`).then(
      (answer) => answer.ok,
      () => false,
    ),
  );
  const url = (name) => `http://sqs.us-east-1.localhost:${port}/000000000000/${name}`;
  return {
    program,
    port,
    url,
    environment: {
      SQS_QUEUE_URL: url('payments'),
      SQS_DLQ_URL: url('payments-dlq'),
      AWS_ENDPOINT_URL_SQS: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: 'bench',
      AWS_SECRET_ACCESS_KEY: 'bench',
    },
  };
}
