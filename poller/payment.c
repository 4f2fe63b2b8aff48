#include "payment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "allocation.h"

struct payment_simulation {
    struct payment_provider provider; /* has to be the first member: the callbacks cast it back */
    bool rule_based;
    double success_rate;
};

static void start(struct payment_provider *provider, int64_t order_id, payment_callback *callback, void *context) {
    const struct payment_simulation *simulation = (const struct payment_simulation *)provider;
    bool paid = simulation->rule_based ? order_id % 2 == 0 : backoff_random_fraction() < simulation->success_rate;
    struct payment_answer answer = {
        .outcome = paid ? PAYMENT_PAID : PAYMENT_DECLINED,
        .reason = paid ? "payment accepted" : "payment declined",
    };

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

    simulation->provider =
        (struct payment_provider){.name = "simulation", .start = start, .cancel = cancel, .destroy = destroy};
    simulation->rule_based = strcmp(mode, "rule_based") == 0;
    simulation->success_rate = success_rate;
    return &simulation->provider;
}
