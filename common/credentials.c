#include "credentials.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "clock.h"
#include "detached_thread.h"
#include "log.h"

/* A renewal begins so long before the credentials expire, and is repeated at most so often. */
#define RENEW_BEFORE_SECONDS 900
#define RENEW_AGAIN_MS       30000

#define ERROR_SIZE 1024

#define SETTING_TEXTS (sizeof(struct credential_settings) / sizeof(char *))

/* A search in a thread of its own. Whoever of store and thread comes last frees it. */
struct renewal {
    pthread_mutex_t lock;
    int users;
    bool finished, succeeded;
    struct credential_settings settings;
    struct aws_credentials found;
    char error[ERROR_SIZE];
};

struct credential_store {
    struct credential_settings settings;
    struct aws_credentials current;
    unsigned generation;
    struct renewal *renewal; /* under way; else NULL */
    int64_t last_renewal_ms;
};

/* The texts are copied one by one: the struct has nothing else. */
struct credential_settings credential_settings_copy(const struct credential_settings *settings) {
    const char *texts[SETTING_TEXTS];
    struct credential_settings copy;
    size_t i;

    _Static_assert(sizeof(texts) == sizeof(copy), "struct credential_settings holds only texts");
    memcpy(texts, settings, sizeof(texts));
    for (i = 0; i < SETTING_TEXTS; i++) {
        texts[i] = memory_duplicate(texts[i]);
    }
    memcpy(&copy, texts, sizeof(copy));
    return copy;
}

void credential_settings_free(struct credential_settings *settings) {
    char *texts[SETTING_TEXTS];
    size_t i;

    memcpy(texts, settings, sizeof(texts));
    for (i = 0; i < SETTING_TEXTS; i++) {
        memory_wipe(texts[i]); /* some are secrets */
    }
}

struct credential_store *credential_store_open(const struct credential_settings *settings, char *error,
                                               size_t error_size) {
    struct credential_store *store = memory_allocate(sizeof(*store));

    store->settings = credential_settings_copy(settings);
    if (!credential_sources_search(&store->settings, &store->current, error, error_size)) {
        credential_store_close(store);
        return NULL;
    }
    return store;
}

static void free_renewal(struct renewal *renewal) {
    aws_credentials_wipe(&renewal->found);
    credential_settings_free(&renewal->settings);
    pthread_mutex_destroy(&renewal->lock);
    free(renewal);
}

/* leave ends the interest of one side in a renewal. */
static void leave(struct renewal *renewal) {
    int users;

    pthread_mutex_lock(&renewal->lock);
    users = --renewal->users;
    pthread_mutex_unlock(&renewal->lock);
    if (users == 0) {
        free_renewal(renewal);
    }
}

/* search is the thread. */
static void *search(void *argument) {
    struct renewal *renewal = argument;
    bool succeeded = credential_sources_search(&renewal->settings, &renewal->found, renewal->error, ERROR_SIZE);

    pthread_mutex_lock(&renewal->lock);
    renewal->finished = true;
    renewal->succeeded = succeeded;
    pthread_mutex_unlock(&renewal->lock);
    leave(renewal);
    return NULL;
}

void credential_store_begin_renewal(struct credential_store *store) {
    struct renewal *renewal;

    if (store->renewal != NULL) {
        return;
    }
    renewal = memory_allocate(sizeof(*renewal));
    pthread_mutex_init(&renewal->lock, NULL);
    renewal->users = 2;
    renewal->settings = credential_settings_copy(&store->settings);
    store->last_renewal_ms = clock_monotonic_ms();
    if (detached_thread_start(search, renewal)) {
        store->renewal = renewal;
        return;
    }
    free_renewal(renewal);
}

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* adopt takes over what a finished renewal found. */
static void adopt(struct credential_store *store, struct renewal *renewal) {
    struct aws_credentials *found = &renewal->found, *current = &store->current;

    if (!renewal->succeeded) {
        log_event(LOG_WARN, "credentials_renewal_failed", json_pack("{s:o}", "error", log_text(renewal->error)));
        return;
    }
    if (!same_text(found->access_key_id, current->access_key_id) ||
        !same_text(found->secret_access_key, current->secret_access_key) ||
        !same_text(found->session_token, current->session_token)) {
        store->generation++;
    }
    aws_credentials_wipe(current);
    *current = *found;
    *found = (struct aws_credentials){0};
}

bool credential_store_is_renewing(struct credential_store *store) {
    struct renewal *renewal = store->renewal;
    bool finished;

    if (renewal == NULL) {
        return false;
    }
    pthread_mutex_lock(&renewal->lock);
    finished = renewal->finished;
    pthread_mutex_unlock(&renewal->lock);
    if (finished) {
        adopt(store, renewal);
        store->renewal = NULL;
        leave(renewal);
    }
    return !finished;
}

const struct aws_credentials *credential_store_current(struct credential_store *store) {
    if (!credential_store_is_renewing(store) && store->current.expires_at != 0 &&
        time(NULL) >= store->current.expires_at - RENEW_BEFORE_SECONDS &&
        (store->last_renewal_ms == 0 || clock_monotonic_ms() - store->last_renewal_ms >= RENEW_AGAIN_MS)) {
        credential_store_begin_renewal(store);
    }
    return &store->current;
}

unsigned credential_store_generation(const struct credential_store *store) {
    return store->generation;
}

void credential_store_close(struct credential_store *store) {
    if (store == NULL) {
        return;
    }
    if (store->renewal != NULL) {
        leave(store->renewal);
    }
    aws_credentials_wipe(&store->current);
    credential_settings_free(&store->settings);
    free(store);
}
