#include "demo_accounts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "accounts.h"
#include "clock.h"
#include "gateway.h"
#include "log.h"
#include "random.h"

#define PAUSE_MS      1000
#define ACCOUNT_COUNT 2

struct demo_account {
    const char *id;
    const char *username;
    const char *role;
    const char *password; /* that it shall have; NULL in production: it shall not have the well-known one */
    const char *well_known_password;
};

struct demo_accounts {
    struct gateway *gateway;
    struct demo_account wanted[ACCOUNT_COUNT];
    int current;       /* the account in work; ACCOUNT_COUNT when all are done */
    bool in_progress;  /* a call or a hash is under way */
    int64_t next_step; /* not before this time */
    bool complained;   /* a failure was logged; repeats of it are not */
};

struct demo_accounts *demo_accounts_create(struct gateway *gateway) {
    struct demo_accounts *accounts = calloc(1, sizeof(*accounts));

    if (accounts == NULL) {
        return NULL;
    }
    accounts->gateway = gateway;
    accounts->wanted[0] = (struct demo_account){"1", "admin", "admin", gateway->configuration.demo_admin_password,
                                                DEMO_ADMIN_PASSWORD_DEFAULT};
    accounts->wanted[1] = (struct demo_account){"2", "user", "user", gateway->configuration.demo_user_password,
                                                DEMO_USER_PASSWORD_DEFAULT};
    return accounts;
}

static const struct demo_account *current_account(const struct demo_accounts *accounts) {
    return &accounts->wanted[accounts->current];
}

static void account_done(struct demo_accounts *accounts) {
    accounts->in_progress = false;
    accounts->complained = false;
    accounts->current++;
}

/* try_later begins the account anew after a pause. */
static void try_later(struct demo_accounts *accounts, const char *error) {
    accounts->in_progress = false;
    accounts->next_step = clock_monotonic_ms() + PAUSE_MS;
    log_event(accounts->complained ? LOG_DEBUG : LOG_WARN, "demo_account_failed",
              json_pack("{s:s,s:o}", "username", current_account(accounts)->username, "error", log_text(error)));
    accounts->complained = true;
}

/* failed deals with a call that brought no rows; an unreachable database is logged by the pool. */
static bool failed(struct demo_accounts *accounts, const struct database_answer *answer) {
    if (answer->outcome == DATABASE_OK) {
        return false;
    }
    accounts->complained = accounts->complained || answer->outcome != DATABASE_ERROR;
    try_later(accounts, answer->message);
    return true;
}

static void on_put(void *context, const struct database_answer *answer) {
    struct demo_accounts *accounts = context;

    if (failed(accounts, answer)) {
        return;
    }
    if (current_account(accounts)->password != NULL) {
        log_event(LOG_INFO, "demo_account_stored", json_pack("{s:s}", "username", current_account(accounts)->username));
    } else {
        log_event(LOG_WARN, "demo_account_closed", json_pack("{s:s}", "username", current_account(accounts)->username));
    }
    account_done(accounts);
}

static void on_hash_made(void *context, enum hash_outcome outcome, const char *hash) {
    struct demo_accounts *accounts = context;
    const struct demo_account *account = current_account(accounts);
    const char *values[] = {accounts->gateway->store_id, account->id, account->username, account->role, hash};

    if (outcome != HASH_DONE) {
        try_later(accounts, "the password could not be hashed");
        return;
    }
    database_pool_submit(accounts->gateway->database, &put_demo_account_statement, values, DATABASE_CALL_TIMEOUT_MS,
                         on_put, accounts);
}

/* make_hash begins to store the account: with its password, or with one that nobody knows. */
static void make_hash(struct demo_accounts *accounts) {
    const char *password = current_account(accounts)->password;
    char unknown[UUID_TEXT_SIZE];

    random_uuid(unknown);
    if (!hash_thread_make(accounts->gateway->hashing, password != NULL ? password : unknown, on_hash_made, accounts)) {
        try_later(accounts, "too many passwords are being hashed");
    }
}

static void on_verified(void *context, enum hash_outcome outcome, const char *hash) {
    struct demo_accounts *accounts = context;
    enum hash_outcome wanted = current_account(accounts)->password != NULL ? HASH_DONE : HASH_MISMATCH;

    (void)hash;
    if (outcome == HASH_FAILED) {
        try_later(accounts, "the password could not be checked");
    } else if (outcome == wanted) {
        account_done(accounts);
    } else {
        make_hash(accounts);
    }
}

/* check_password begins to compare what is stored with the password that the account shall have, or shall not. */
static void check_password(struct demo_accounts *accounts, const PGresult *found) {
    const struct demo_account *account = current_account(accounts);
    const char *password = account->password != NULL ? account->password : account->well_known_password;

    if (!hash_thread_verify(accounts->gateway->hashing, password, PQgetvalue(found, 0, ACCOUNT_PASSWORD_HASH),
                            on_verified, accounts)) {
        try_later(accounts, "too many passwords are being hashed");
    }
}

/* on_found looks at what is stored: the same account with the same password stays as it is. */
static void on_found(void *context, const struct database_answer *answer) {
    struct demo_accounts *accounts = context;
    const struct demo_account *account = current_account(accounts);
    bool exists, own;

    if (failed(accounts, answer)) {
        return;
    }
    exists = !PQgetisnull(answer->result, 0, ACCOUNT_ID);
    own = exists && strcmp(PQgetvalue(answer->result, 0, ACCOUNT_ID), account->id) == 0;
    if (account->password == NULL && !own) {
        account_done(accounts);
    } else if (!exists ||
               (account->password != NULL && strcmp(PQgetvalue(answer->result, 0, ACCOUNT_ROLE), account->role) != 0)) {
        make_hash(accounts);
    } else if (!own) {
        log_event(LOG_WARN, "demo_account_name_taken", json_pack("{s:s}", "username", account->username));
        account_done(accounts);
    } else {
        check_password(accounts, answer->result);
    }
}

void demo_accounts_process(struct demo_accounts *accounts) {
    const char *values[2];

    if (demo_accounts_timeout_ms(accounts) != 0 || accounts->gateway->stopping) {
        return;
    }
    accounts->in_progress = true;
    values[0] = accounts->gateway->store_id;
    values[1] = current_account(accounts)->username;
    database_pool_submit(accounts->gateway->database, &find_account_statement, values, DATABASE_CALL_TIMEOUT_MS,
                         on_found, accounts);
}

int demo_accounts_timeout_ms(const struct demo_accounts *accounts) {
    if (demo_accounts_stored(accounts) || accounts->in_progress) {
        return -1;
    }
    return clock_remaining_ms(accounts->next_step, clock_monotonic_ms());
}

bool demo_accounts_stored(const struct demo_accounts *accounts) {
    return accounts->current >= ACCOUNT_COUNT;
}

void demo_accounts_free(struct demo_accounts *accounts) {
    free(accounts);
}
