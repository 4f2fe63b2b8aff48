#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "fault_point.h"
#include "idempotency.h"
#include "settings.h"
#include "subtransaction.h"

/* Tells our advisory locks from those that users take by pg_advisory_lock (1 and 2). */
#define IDEMPOTENCY_LOCK_SPACE 3

/* Seconds a client should wait before it asks again for a request that still runs. */
#define IN_USE_RETRY_AFTER 1

/* unquote removes the quotes and backslashes of a structured-field string; other text is copied as it is. */
static char *unquote(const char *header) {
    size_t length = strlen(header);
    char *key = palloc(length + 1);
    char *end = key;

    if (length < 2 || header[0] != '"' || header[length - 1] != '"')
        return pstrdup(header);
    for (const char *c = header + 1; c < header + length - 1; c++) {
        if (*c == '\\' && (c[1] == '"' || c[1] == '\\') && c + 1 < header + length - 1)
            c++;
        *end++ = *c;
    }
    *end = '\0';
    return key;
}

char *idempotency_parse(const char *header, const RequestContext *context, Response *response) {
    char *key;
    int length;

    if (header == NULL) {
        *response = problem_with(PROBLEM_IDEMPOTENCY_KEY_MISSING, context->request_id,
                                 ",\"error\":\"Missing Idempotency-Key\"", "Missing Idempotency-Key");
        return NULL;
    }
    key = unquote(header);
    length = pg_mbstrlen(key);
    if (length < 1 || length > IDEMPOTENCY_KEY_MAX) {
        *response = problem(PROBLEM_IDEMPOTENCY_KEY_INVALID, context->request_id,
                            "Idempotency-Key must have 1 to %d characters", IDEMPOTENCY_KEY_MAX);
        return NULL;
    }
    for (const char *c = key; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *response = problem(PROBLEM_IDEMPOTENCY_KEY_INVALID, context->request_id,
                                "Idempotency-Key must not contain control characters");
            return NULL;
        }
    }
    return key;
}

void idempotency_fingerprint(const char *meaning, uint8 *fingerprint) {
    Datum digest = DirectFunctionCall1(sha256_bytea, CStringGetTextDatum(meaning));

    memcpy(fingerprint, VARDATA_ANY(DatumGetPointer(digest)), FINGERPRINT_SIZE);
}

void idempotency_init(IdempotencyKey *key, const RequestContext *context, int64 user_id, const char *route,
                      const char *normalised_key, const char *meaning) {
    key->context = context;
    key->user_id = user_id;
    key->route = route;
    key->key = normalised_key;
    idempotency_fingerprint(meaning, key->fingerprint);
}

/* lock_tag hashes scope and key. Two keys with one hash only wait for each other; the row decides. */
static void lock_tag(const IdempotencyKey *key, LOCKTAG *tag) {
    uint64 hash = hash_bytes_extended((const unsigned char *)key->key, strlen(key->key), key->context->store_id);

    hash = hash_bytes_extended((const unsigned char *)key->route, strlen(key->route), hash);
    hash = hash_bytes_extended((const unsigned char *)&key->user_id, sizeof(key->user_id), hash);
    SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32)(hash >> 32), (uint32)hash, IDEMPOTENCY_LOCK_SPACE);
}

/* A lock and how long to wait for it, in milliseconds. */
typedef struct LockRequest {
    LOCKTAG tag;
    int wait_ms;
} LockRequest;

/* acquire_lock raises 55P03 when the time is over. */
static void acquire_lock(void *argument) {
    LockRequest *request = argument;
    int nest_level = NewGUCNestLevel();

    set_config_option("lock_timeout", psprintf("%d", request->wait_ms), PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                      true, 0, false);
    LockAcquire(&request->tag, ExclusiveLock, false, false);
    AtEOXact_GUC(true, nest_level);
}

/*
 * lock_bounded waits for the lock for a limited time. The wait is one of PostgreSQL's own, so that it shows in
 * pg_locks, wakes at once and takes part in deadlock detection.
 */
static bool lock_bounded(LockRequest *request) {
    ErrorData *error = subtransaction_try(acquire_lock, request);

    if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
        ReThrowError(error);
    return error == NULL;
}

bool idempotency_lock(const IdempotencyKey *key, Response *response) {
    LockRequest request = {.wait_ms = setting_idempotency_wait};

    if (key->key == NULL)
        return true;
    lock_tag(key, &request.tag);
    if (LockAcquire(&request.tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
        return true;
    if (request.wait_ms > 0 && lock_bounded(&request))
        return true;
    *response = problem(PROBLEM_IDEMPOTENCY_KEY_IN_USE, key->context->request_id,
                        "A request with this Idempotency-Key is still in progress");
    response->retry_after = IN_USE_RETRY_AFTER;
    return false;
}

bool idempotency_try_lock(const IdempotencyKey *key, Response *response) {
    LOCKTAG tag;

    lock_tag(key, &tag);
    if (LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
        return true;
    *response = undecided();
    return false;
}

/* reused is the 422 for a key whose request meant something else. */
static Response reused(const IdempotencyKey *key) {
    return problem(PROBLEM_IDEMPOTENCY_KEY_REUSED, key->context->request_id,
                   "This Idempotency-Key was already used for a different request");
}

Response idempotency_answer_twin(const IdempotencyKey *key, const IdempotencyKey *twin, const Response *twin_answer) {
    Response response = *twin_answer;

    if (memcmp(key->fingerprint, twin->fingerprint, sizeof(key->fingerprint)) != 0)
        return reused(key);
    response.replayed = true;
    return response;
}

bool idempotency_replay(Tables *tables, const IdempotencyKey *key, Response *response) {
    bytea *stored;
    Row *row;

    if (key->key == NULL)
        return false;
    row = row_find(tables, IDEMPOTENCY_KEYS_BY_KEY,
                   ROW_KEY(Int32GetDatum(key->context->store_id), Int64GetDatum(key->user_id),
                           CStringGetTextDatum(key->route), CStringGetTextDatum(key->key)));
    if (row == NULL)
        return false;
    stored = DatumGetByteaPP(row_datum(row, KEY_FINGERPRINT));
    if (VARSIZE_ANY_EXHDR(stored) != sizeof(key->fingerprint) ||
        memcmp(VARDATA_ANY(stored), key->fingerprint, sizeof(key->fingerprint)) != 0) {
        *response = reused(key);
        return true;
    }
    memset(response, 0, sizeof(*response));
    response->status = row_int32(row, KEY_STATUS);
    response->body = row_text(row, KEY_BODY);
    response->replayed = true;
    response->order_id = row_is_null(row, KEY_ORDER_ID) ? 0 : row_int64(row, KEY_ORDER_ID);
    response->location = row_is_null(row, KEY_LOCATION) ? NULL : row_text(row, KEY_LOCATION);
    return true;
}

void idempotency_store(Tables *tables, const IdempotencyKey *key, const Response *response) {
    bytea *fingerprint;
    Row *row;

    if (key->key == NULL || PLANTED_BUG == BUG_NO_STORED_ANSWER)
        return;
    fingerprint = palloc(VARHDRSZ + sizeof(key->fingerprint));
    SET_VARSIZE(fingerprint, VARHDRSZ + sizeof(key->fingerprint));
    memcpy(VARDATA(fingerprint), key->fingerprint, sizeof(key->fingerprint));

    row = row_new(tables, IDEMPOTENCY_KEYS);
    row_set_int32(row, KEY_STORE_ID, key->context->store_id);
    row_set_int64(row, KEY_USER_ID, key->user_id);
    row_set_text(row, KEY_ROUTE, key->route);
    row_set_text(row, KEY_KEY, key->key);
    row_set_datum(row, KEY_FINGERPRINT, PointerGetDatum(fingerprint));
    row_set_int32(row, KEY_STATUS, response->status);
    row_set_text(row, KEY_BODY, response->body);
    if (response->order_id != 0)
        row_set_int64(row, KEY_ORDER_ID, response->order_id);
    row_set_text(row, KEY_LOCATION, response->location);
    row_set_datum(row, KEY_CREATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
    row_insert(row);
}
