#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "backoff.h"
#include "payment.h"

struct payment_simulation {
    struct payment_provider provider; /* has to be the first member: the callbacks cast it back */
    bool rule_based;
    double success_rate;
};

static bool is_paid(const struct payment_simulation *simulation, int64_t order_id) {
    return simulation->rule_based ? order_id % 2 == 0 : backoff_random_fraction() < simulation->success_rate;
}

static void start(struct payment_provider *provider, const struct payment_request *request, payment_callback *callback,
                  void *context) {
    const struct payment_simulation *simulation = (const struct payment_simulation *)provider;
    struct payment_answer answer = {.amount_cents = -1};
    char reference[64];

    if (request->operation == PAYMENT_CHARGE) {
        answer.outcome = is_paid(simulation, request->order_id) ? PAYMENT_CAPTURED : PAYMENT_DECLINED;
        answer.reason = answer.outcome == PAYMENT_CAPTURED ? "payment accepted" : "payment declined";
    } else if (request->refund_id > 0) {
        snprintf(reference, sizeof(reference), "simulation-refund-%lld", (long long)request->refund_id);
        answer.outcome = PAYMENT_REFUNDED;
        answer.reason = "the money went back";
        answer.reference = reference;
    } else {
        answer.outcome = PAYMENT_NOT_FOUND;
        answer.reason = "the simulation keeps nothing";
    }
    callback(context, &answer);
}

/* cancel has nothing to do: start has always called back when it returns. */
static void cancel(struct payment_provider *provider, const void *context) {
    (void)provider;
    (void)context;
}

static void destroy(struct payment_provider *provider) {
    free(provider);
}

struct payment_provider *payment_simulation_create(const char *mode, double success_rate) {
    struct payment_simulation *simulation = memory_allocate(sizeof(*simulation));

    simulation->provider = (struct payment_provider){
        .name = "simulation", .immediate = true, .start = start, .cancel = cancel, .destroy = destroy};
    simulation->rule_based = strcmp(mode, "rule_based") == 0;
    simulation->success_rate = success_rate;
    return &simulation->provider;
}
