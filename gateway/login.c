#include "login.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "accounts.h"
#include "demo_accounts.h"
#include "errmap.h"
#include "request.h"
#include "sql_route.h"
#include "text.h"

#define BUSY_RETRY_SECONDS 1

/* Somebody who signs in, and the account of that name. */
struct login {
    char *given_name;
    char *password;
    char *id; /* NULL: there is no such account */
    char *username;
    char *role;
    bool succeeded;
};

static void free_login(struct request *request) {
    struct login *login = request->route_state;

    if (login != NULL) {
        free(login->given_name);
        free(login->password);
        free(login->id);
        free(login->username);
        free(login->role);
        free(login);
    }
    request->route_state = NULL;
}

/* finish tells that the reply is complete. */
static void finish(struct request *request) {
    free_login(request);
    request_answered(request);
}

static void answer_busy(struct request *request) {
    request_set_error(request, "too many sign-ins at a time");
    request_answer_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE, "overloaded", "The server is busy, please try again",
                           BUSY_RETRY_SECONDS);
}

static void answer_wrong(struct request *request) {
    request_answer_problem(request, MHD_HTTP_UNAUTHORIZED, "invalid_credentials", "Invalid credentials", NO_RETRY);
    request->reply.bearer_challenge = true;
}

static void answer_locked(struct request *request, int seconds) {
    request_answer_problem(request, MHD_HTTP_TOO_MANY_REQUESTS, "account_locked",
                           "Too many failed logins, please try again later", seconds);
}

static void answer_token(struct request *request, const struct login *login) {
    const struct token_settings *settings = &request->gateway->tokens;
    char *token = token_issue(settings, login->id, login->username, login->role, (int64_t)time(NULL));
    json_t *body = json_pack("{s:s, s:s, s:I, s:{s:s, s:s, s:s}}", "accessToken", token != NULL ? token : "",
                             "tokenType", "Bearer", "expiresIn", (json_int_t)settings->lifetime_seconds, "user", "id",
                             login->id, "username", login->username, "role", login->role);

    request_answer_json(request, MHD_HTTP_OK, token != NULL ? json_dumps(body, JSON_COMPACT) : NULL);
    json_decref(body);
    free(token);
}

/* on_recorded: the answer waits for this, so that the count of failures cannot be outrun. */
static void on_recorded(void *context, const struct database_answer *answer) {
    struct request *request = context;
    const struct login *login = request->route_state;

    if (answer->outcome != DATABASE_OK) {
        sql_answer_failure(request, answer, true);
    } else if (login->succeeded) {
        answer_token(request, login);
    } else {
        answer_wrong(request);
    }
    finish(request);
}

/* text_member gives a member's text, or NULL when it is missing, empty or no string. */
static const char *text_member(const struct request *request, const char *name) {
    const struct json_member *member = json_body_find(&request->body, name);

    if (member == NULL || !json_is_string(member->value) || json_string_length(member->value) == 0) {
        return NULL;
    }
    return json_string_value(member->value);
}

/* on_verified has the sign-in counted by its name, whether there is such an account or not. */
static void on_verified(void *context, enum hash_outcome outcome, const char *hash) {
    struct request *request = context;
    struct login *login = request->route_state;
    const char *values[3];

    (void)hash;
    if (outcome == HASH_FAILED) {
        answer_busy(request);
        finish(request);
        return;
    }
    login->succeeded = login->id != NULL && outcome == HASH_DONE;
    values[0] = request->gateway->store_id;
    values[1] = login->given_name;
    values[2] = login->succeeded ? "true" : "false";
    database_pool_submit(request->gateway->database, &record_login_statement, values, DATABASE_CALL_TIMEOUT_MS,
                         on_recorded, request);
}

/* keep_account copies the account's row, if there is one; false when memory is short. */
static bool keep_account(struct login *login, const PGresult *result) {
    if (PQgetisnull(result, 0, ACCOUNT_ID)) {
        return true;
    }
    login->id = strdup(PQgetvalue(result, 0, ACCOUNT_ID));
    login->username = strdup(PQgetvalue(result, 0, ACCOUNT_USERNAME));
    login->role = strdup(PQgetvalue(result, 0, ACCOUNT_ROLE));
    return login->id != NULL && login->username != NULL && login->role != NULL;
}

/* locked_seconds gives how long no sign-in with the name of the row is possible; 0 where it is. */
static int locked_seconds(const PGresult *result) {
    int64_t seconds;

    return text_to_int64(PQgetvalue(result, 0, ACCOUNT_LOCKED_SECONDS), 0, INT_MAX, &seconds) ? (int)seconds : 0;
}

static void on_account(void *context, const struct database_answer *answer) {
    struct request *request = context;
    struct login *login = request->route_state;
    const char *hash;

    if (answer->outcome != DATABASE_OK) {
        sql_answer_failure(request, answer, true);
        finish(request);
        return;
    }
    if (locked_seconds(answer->result) > 0) {
        answer_locked(request, locked_seconds(answer->result));
        finish(request);
        return;
    }
    hash = PQgetisnull(answer->result, 0, ACCOUNT_ID) ? NULL : PQgetvalue(answer->result, 0, ACCOUNT_PASSWORD_HASH);
    if (!keep_account(login, answer->result) ||
        !hash_thread_verify(request->gateway->hashing, login->password, hash, on_verified, request)) {
        answer_busy(request);
        finish(request);
    }
}

/* keep_given copies what the client sent, so that its body need not be kept; false when memory is short. */
static bool keep_given(struct request *request, const char *username, const char *password) {
    struct login *login = calloc(1, sizeof(*login));

    request->route_state = login;
    if (login == NULL) {
        return false;
    }
    login->given_name = strdup(username);
    login->password = strdup(password);
    request_drop_body(request);
    return login->given_name != NULL && login->password != NULL;
}

/* find_account asks for the account. */
static void find_account(struct request *request) {
    const struct login *login = request->route_state;
    const char *values[] = {request->gateway->store_id, login->given_name};

    database_pool_submit(request->gateway->database, &find_account_statement, values, DATABASE_CALL_TIMEOUT_MS,
                         on_account, request);
}

void login_handle(struct request *request) {
    const char *username = text_member(request, "username");
    const char *password = text_member(request, "password");

    if (username == NULL || password == NULL) {
        request_answer_problem(request, MHD_HTTP_BAD_REQUEST, "missing_credentials",
                               "username and password are required", NO_RETRY);
        request_answered(request);
        return;
    }
    if (!demo_accounts_stored(request->gateway->demo_accounts)) {
        request_set_error(request, "the demo accounts are not stored yet");
        request_answer_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE, "starting", "The service is starting",
                               BUSY_RETRY_SECONDS);
        request_answered(request);
        return;
    }
    if (!keep_given(request, username, password)) {
        answer_busy(request);
        finish(request);
        return;
    }
    find_account(request);
}
