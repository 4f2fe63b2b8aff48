#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "database_calls.h"
#include "duties.h"
#include "embedded_queue.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "monitor.h"
#include "outbox.h"
#include "outbox_relay.h"
#include "payment.h"
#include "queue_consumer.h"
#include "sqs_client.h"

/* Calls that may wait for a database connection; far more than capacity and outbox can ask for at once. */
#define DATABASE_QUEUE_LIMIT 1000

/* How long a call may wait for a connection before the database counts as away. */
#define DATABASE_WAIT_LIMIT_MS 5000

#define DEAD_LETTER_TIMEOUT_MS 10000

/* What may be in hand at once where calls go in batches: enough that full ones are under way while the next rows
 * are claimed and the next messages received. */
#define ROWS_IN_HAND     320
#define MESSAGES_IN_HAND 120

/* What a claim of the embedded queue lasts beyond the time of one try. */
#define EMBEDDED_LEASE_MARGIN_MS 15000

/* The part of the grace period that is kept for giving back what could not be finished: a quarter, at most this. */
#define LAST_CALL_MARGIN_MS 1500

/* What is added to the time limit of a poll before the poller counts as stalled: longer than any pause between polls.
 */
#define STALLED_MARGIN_MS 60000

struct worker {
    const struct poller_configuration *configuration;
    struct loop *loop;
    struct database_pool *pool;
    struct payment_provider *provider;
    struct http_client *http;
    struct sqs_client *sqs;
    struct call_batcher *settle_batcher, *ingest_batcher;
    struct outbox *outbox;
    struct circuit_breaker breaker;
    struct settlement_services settlements;
    struct handling_services handlings;
    struct dead_letter_services dead_letters;
    struct message_work_services message_work;
    struct outbox_relay *relay;      /* with a queue; else NULL */
    struct queue_consumer *consumer; /* with a queue; else NULL */
    struct duties *duties;
    struct monitor *monitor;         /* NULL without POLLER_PORT */
    struct embedded_queue *embedded; /* with a queue it handles what does not go over it */

    int signals; /* received so far */
    int exit_code;
    bool receive_aborted;
    struct loop_timer last_call_timer, grace_timer;
};

static void take_signal(void *context, int signal_number);
static size_t in_hand(const struct worker *worker);
static void end_round(void *context);

/* ---- making ---- */

static struct database_pool *create_pool(const struct poller_configuration *configuration) {
    struct database_pool_settings pool = {
        .login = configuration->login,
        .application_name = "shop-poller",
        .maximum_connections = (int)configuration->shared.db_pool_max,
        .queue_limit = DATABASE_QUEUE_LIMIT,
        .wait_limit_ms = configuration->process_timeout_ms < DATABASE_WAIT_LIMIT_MS
                             ? (int)configuration->process_timeout_ms
                             : DATABASE_WAIT_LIMIT_MS,
    };

    return database_pool_create(&pool);
}

/* fill_services makes what the work on a message or row needs, whichever transport it came by. */
static void fill_services(struct worker *worker) {
    const struct poller_configuration *configuration = worker->configuration;
    bool with_dlq = worker->sqs != NULL && configuration->dlq_url != NULL;

    worker->breaker = (struct circuit_breaker){
        .failure_limit = (int)configuration->payment_circuit_failures,
        .pause_ms = configuration->payment_circuit_pause_ms,
    };
    worker->settlements = (struct settlement_services){
        .pool = worker->pool,
        .batcher = worker->settle_batcher,
        .provider = worker->provider,
        .breaker = &worker->breaker,
        .store_id = configuration->shared.store_id,
        .timeout_ms = (int)configuration->process_timeout_ms,
        .provider_timeout_ms = (int)configuration->payment_timeout_ms,
    };
    worker->dead_letters = (struct dead_letter_services){
        .pool = worker->pool,
        .sqs = with_dlq ? worker->sqs : NULL,
        .dlq_url = with_dlq ? configuration->dlq_url : NULL,
        .store_id = configuration->shared.store_id,
        .timeout_ms = DEAD_LETTER_TIMEOUT_MS,
    };
    worker->handlings = (struct handling_services){
        .settlements = &worker->settlements,
        .ingest_batcher = worker->ingest_batcher,
        .payment_tries = (int)configuration->maximum_receive_count,
        .intake_tries = (int)configuration->intake_maximum_receive_count,
    };
    worker->message_work = (struct message_work_services){
        .handlings = &worker->handlings,
        .dead_letters = &worker->dead_letters,
    };
}

static struct payment_provider *create_provider(const struct worker *worker) {
    const struct poller_configuration *configuration = worker->configuration;
    bool stripe = strcmp(configuration->payment_provider, "stripe") == 0;
    struct payment_service_settings service = {
        .http = worker->http,
        .url = configuration->payment_provider_url,
        .token = stripe ? configuration->stripe_api_key : configuration->payment_provider_token,
        .currency = configuration->payment_currency,
        .payment_method = configuration->stripe_payment_method,
        .capture_later = strcmp(configuration->payment_capture, "later") == 0,
    };

    if (stripe) {
        return payment_stripe_create(&service);
    }
    if (strcmp(configuration->payment_provider, "http") == 0) {
        return payment_http_create(&service);
    }
    return payment_simulation_create(configuration->payment_simulation_mode, configuration->payment_success_rate);
}

static struct sqs_client *create_sqs_client(const struct worker *worker, struct credential_store *credentials) {
    struct sqs_client_settings sqs = {
        .loop = worker->loop,
        .http = worker->http,
        .credentials = credentials,
        .endpoint = &worker->configuration->endpoint,
        .region = worker->configuration->shared.aws.region,
    };

    return sqs_client_create(&sqs);
}

static struct outbox_relay *create_relay(const struct worker *worker) {
    struct outbox_relay_settings relay = {
        .loop = worker->loop,
        .pool = worker->pool,
        .outbox = worker->outbox,
        .sqs = worker->sqs,
        .queue_url = worker->configuration->queue_url,
        .own = worker->embedded,
        .handling_ms = (int)worker->configuration->process_timeout_ms,
        .visibility_seconds = (int)worker->configuration->visibility_timeout_seconds,
        .maximum_retries = (int)worker->configuration->send_maximum_retries,
        .retry_delay_ms = (int)worker->configuration->send_retry_delay_ms,
    };

    return outbox_relay_create(&relay);
}

/* capacity gives how much may be in hand at once. Calls to a provider outside are as many at once, so these are kept to
 * what there are connections for, with room for one full receive. */
static int capacity(const struct worker *worker, int with_batches) {
    int connections = (int)worker->configuration->shared.db_pool_max;

    if (worker->provider->immediate) {
        return with_batches;
    }
    return connections > SQS_BATCH_ENTRIES ? connections : SQS_BATCH_ENTRIES;
}

static struct queue_consumer *create_consumer(const struct worker *worker) {
    const struct poller_configuration *configuration = worker->configuration;
    struct queue_consumer_settings consumer = {
        .loop = worker->loop,
        .pool = worker->pool,
        .sqs = worker->sqs,
        .work = &worker->message_work,
        .queue_url = configuration->queue_url,
        .wait_seconds = (int)configuration->poll_wait_seconds,
        .maximum_messages = (int)configuration->poll_maximum_messages,
        .visibility_seconds = (int)configuration->visibility_timeout_seconds,
        .idle_delay_ms = (int)configuration->poll_idle_delay_ms,
        .poll_timeout_ms = (int)configuration->poll_timeout_ms,
        .capacity = capacity(worker, MESSAGES_IN_HAND),
    };

    return queue_consumer_create(&consumer);
}

static struct embedded_queue *create_embedded(const struct worker *worker) {
    const struct poller_configuration *configuration = worker->configuration;
    struct embedded_queue_settings embedded = {
        .loop = worker->loop,
        .pool = worker->pool,
        .outbox = worker->outbox,
        .handlings = &worker->handlings,
        .dead_letters = &worker->dead_letters,
        .claims = configuration->queue_url == NULL,
        .capacity = capacity(worker, ROWS_IN_HAND),
        .lease_ms = (int)configuration->process_timeout_ms + EMBEDDED_LEASE_MARGIN_MS,
    };

    return embedded_queue_create(&embedded);
}

static struct duties *create_duties(const struct worker *worker) {
    const struct poller_configuration *configuration = worker->configuration;
    struct duties_settings duties = {
        .loop = worker->loop,
        .pool = worker->pool,
        .sqs = worker->sqs,
        .queue_url = configuration->queue_url,
        .dlq_url = worker->dead_letters.dlq_url,
        .store_id = configuration->shared.store_id,
        .maintenance_interval_seconds = configuration->maintenance_interval_seconds,
    };

    return duties_create(&duties);
}

/* fill_gauges is asked by the monitor for the numbers of now. */
static void fill_gauges(void *context, struct metrics_gauges *gauges) {
    const struct worker *worker = context;
    struct database_pool_statistics pool = database_pool_statistics_of(worker->pool);

    gauges->in_hand = (int64_t)in_hand(worker);
    gauges->queue_depth = duties_queue_depth(worker->duties);
    gauges->dlq_depth = duties_dlq_depth(worker->duties);
    gauges->outbox_age_seconds = duties_outbox_age_seconds(worker->duties);
    gauges->connections = pool.open;
    gauges->calls_waiting = pool.waiting;
    gauges->payment_circuit = worker->breaker.state;
}

static bool open_monitor(struct worker *worker, char *error, size_t error_size) {
    const struct poller_configuration *configuration = worker->configuration;
    struct monitor_settings monitor = {
        .loop = worker->loop,
        .address = configuration->bind_address,
        .port = (int)configuration->monitor_port,
        .stalled_ms = configuration->poll_timeout_ms + STALLED_MARGIN_MS,
        .gauges = fill_gauges,
        .context = worker,
    };

    if (configuration->monitor_port == 0) {
        return true;
    }
    worker->monitor = monitor_open(&monitor, error, error_size);
    return worker->monitor != NULL;
}

struct worker *worker_create(const struct poller_configuration *configuration, struct credential_store *credentials,
                             char *error, size_t error_size) {
    struct worker *worker = memory_allocate(sizeof(*worker));

    worker->configuration = configuration;
    worker->loop = loop_create(take_signal, worker);
    worker->pool = worker->loop != NULL ? create_pool(configuration) : NULL;
    if (worker->pool == NULL) {
        snprintf(error, error_size, "%s", strerror(errno));
        worker_destroy(worker);
        return NULL;
    }
    loop_set_pool(worker->loop, worker->pool);
    loop_set_round_callback(worker->loop, end_round, worker);
    worker->http = http_client_create(worker->loop, "shop-poller/" SHOP_VERSION);
    worker->provider = create_provider(worker);
    worker->settle_batcher = call_batcher_create(worker->pool, configuration->shared.store_id,
                                                 &settle_payment_statement, &settle_payments_statement);
    worker->ingest_batcher = call_batcher_create(worker->pool, configuration->shared.store_id, &ingest_order_statement,
                                                 &ingest_orders_statement);
    worker->outbox = outbox_create(worker->loop, worker->pool, configuration->shared.store_id);
    if (configuration->queue_url != NULL) {
        worker->sqs = create_sqs_client(worker, credentials);
    }
    fill_services(worker);
    worker->embedded = create_embedded(worker);
    if (configuration->queue_url != NULL) {
        worker->relay = create_relay(worker);
        worker->consumer = create_consumer(worker);
    }
    worker->duties = create_duties(worker);
    metrics_start();
    if (!open_monitor(worker, error, error_size)) {
        worker_destroy(worker);
        return NULL;
    }
    return worker;
}

void worker_destroy(struct worker *worker) {
    if (worker == NULL) {
        return;
    }
    queue_consumer_destroy(worker->consumer);
    outbox_relay_destroy(worker->relay);
    embedded_queue_destroy(worker->embedded);
    duties_destroy(worker->duties);
    monitor_close(worker->monitor);
    outbox_destroy(worker->outbox);
    call_batcher_destroy(worker->settle_batcher);
    call_batcher_destroy(worker->ingest_batcher);
    sqs_client_destroy(worker->sqs);
    if (worker->provider != NULL) {
        worker->provider->destroy(worker->provider);
    }
    http_client_destroy(worker->http);
    if (worker->loop != NULL) {
        loop_disarm(&worker->last_call_timer);
        loop_disarm(&worker->grace_timer);
    }
    if (worker->pool != NULL) {
        database_pool_destroy(worker->pool);
    }
    loop_destroy(worker->loop);
    free(worker);
}

/* ---- running ---- */

static void log_started(const struct worker *worker) {
    const struct poller_configuration *configuration = worker->configuration;

    log_event(LOG_INFO, "worker_started",
              json_pack("{s:s,s:o,s:s,s:I,s:I,s:I,s:I,s:b,s:s,s:s}", "version", SHOP_VERSION, "queueUrl",
                        log_text(configuration->queue_url), "region", configuration->shared.aws.region,
                        "maxReceiveCount", (json_int_t)configuration->maximum_receive_count, "processTimeoutMs",
                        (json_int_t)configuration->process_timeout_ms, "pollTimeoutMs",
                        (json_int_t)configuration->poll_timeout_ms, "shutdownGraceMs",
                        (json_int_t)configuration->shutdown_grace_ms, "dlqEnabled",
                        worker->dead_letters.dlq_url != NULL, "transport",
                        configuration->queue_url != NULL ? "sqs" : "embedded", "paymentProvider",
                        configuration->payment_provider));
}

int worker_run(struct worker *worker) {
    log_started(worker);
    loop_run(worker->loop);
    log_event(LOG_INFO, "worker_stopped",
              json_pack("{s:i,s:o}", "exitCode", worker->exit_code, "receiveAborted",
                        worker->receive_aborted ? json_true() : json_null()));
    return worker->exit_code;
}

/* in_hand tells how many messages or rows are being worked on. */
static size_t in_hand(const struct worker *worker) {
    return embedded_queue_in_hand(worker->embedded) +
           (worker->consumer != NULL ? queue_consumer_in_hand(worker->consumer) : 0);
}

static bool is_idle(const struct worker *worker) {
    bool idle =
        embedded_queue_is_idle(worker->embedded) &&
        (worker->consumer == NULL || (queue_consumer_is_idle(worker->consumer) && outbox_relay_is_idle(worker->relay)));

    return idle && outbox_is_settled(worker->outbox);
}

/* end_round is called by the loop after every round. */
static void end_round(void *context) {
    struct worker *worker = context;

    call_batcher_depart(worker->settle_batcher);
    call_batcher_depart(worker->ingest_batcher);
    if (worker->signals > 0) {
        if (is_idle(worker)) {
            loop_stop(worker->loop);
        }
    } else if (worker->consumer != NULL) {
        outbox_relay_advance(worker->relay);
        queue_consumer_advance(worker->consumer);
    } else {
        embedded_queue_advance(worker->embedded);
    }
}

/* ---- stopping ---- */

static void note_timeout(struct worker *worker) {
    if (worker->exit_code == 0) {
        worker->exit_code = 1;
        log_event(LOG_WARN, "worker_shutdown_drain_timeout",
                  json_pack("{s:i,s:I}", "inFlightMessages", (int)in_hand(worker), "shutdownGraceMs",
                            (json_int_t)worker->configuration->shutdown_grace_ms));
    }
}

/* abort_receives is the last resort when a long poll outlasts the grace period: a message that SQS hands to it from now
 * on is hidden until its visibility timeout. */
static void abort_receives(void *context) {
    struct worker *worker = context;

    worker->receive_aborted = worker->receive_aborted || queue_consumer_is_receiving(worker->consumer);
    queue_consumer_abort_receives(worker->consumer);
}

/* margin_ms gives the part of the grace period that comes after the last call. */
static int64_t margin_ms(const struct worker *worker) {
    int64_t quarter_ms = worker->configuration->shutdown_grace_ms / 4;

    return quarter_ms < LAST_CALL_MARGIN_MS ? quarter_ms : LAST_CALL_MARGIN_MS;
}

/* make_last_call gives back what cannot be finished within the grace period. A long poll that is still open may get it,
 * and gives it back in turn, so it is left open a little longer. */
static void make_last_call(void *context) {
    struct worker *worker = context;

    if (in_hand(worker) > 0 || (worker->relay != NULL && !outbox_relay_is_idle(worker->relay))) {
        note_timeout(worker);
    }
    if (worker->consumer != NULL) {
        queue_consumer_abandon(worker->consumer);
        outbox_relay_abandon(worker->relay);
        loop_arm(worker->loop, &worker->last_call_timer, margin_ms(worker) / 2, abort_receives, worker);
    }
    embedded_queue_abandon(worker->embedded);
}

static void end_grace(void *context) {
    struct worker *worker = context;

    if (worker->consumer != NULL) {
        abort_receives(worker);
    }
    if (!is_idle(worker)) {
        note_timeout(worker);
    }
    loop_stop(worker->loop);
}

static void begin_stop(struct worker *worker, int signal_number) {
    int64_t grace_ms = worker->configuration->shutdown_grace_ms;

    log_event(LOG_INFO, "worker_stopping",
              json_pack("{s:s,s:i}", "signal", signal_number == SIGTERM ? "SIGTERM" : "SIGINT", "inFlightMessages",
                        (int)in_hand(worker)));
    loop_arm(worker->loop, &worker->last_call_timer, grace_ms - margin_ms(worker), make_last_call, worker);
    loop_arm(worker->loop, &worker->grace_timer, grace_ms, end_grace, worker);
    if (worker->consumer != NULL) {
        outbox_relay_stop(worker->relay);
        queue_consumer_stop(worker->consumer);
    }
    embedded_queue_stop(worker->embedded);
    duties_stop(worker->duties);
}

/* take_signal begins the stop at the first signal, makes the last call at the second and ends at the third. */
static void take_signal(void *context, int signal_number) {
    struct worker *worker = context;

    worker->signals++;
    if (worker->signals == 1) {
        begin_stop(worker, signal_number);
    } else if (worker->signals == 2) {
        loop_disarm(&worker->last_call_timer);
        make_last_call(worker);
    } else {
        end_grace(worker);
    }
}
