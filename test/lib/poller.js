// A poller under test.
import { pollerProgram } from './settings.js';
import { Program } from './program.js';

export class Poller extends Program {
  /** Starts a poller on this database and waits until it works; without queue variables it works straight from the outbox. */
  static async start(database, environment = {}) {
    const poller = new Poller(pollerProgram, pollerEnvironment(database, environment));
    await poller.event('worker_started');
    return poller;
  }
}

/** The environment of a poller under test. */
export function pollerEnvironment(database, more = {}) {
  const environment = {
    DATABASE_URL: database?.url('poller'),
    PAYMENT_SIMULATION_MODE: 'rule_based',
    SQS_POLL_IDLE_DELAY_MS: '100',
    ...more,
  };
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined));
}
