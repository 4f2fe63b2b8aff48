#include "authentication.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "errmap.h"
#include "request.h"
#include "token_cache.h"

/* bearer_token gives the token of "Bearer <token>" (RFC 6750 section 2.1), or NULL. */
static const char *bearer_token(const char *header) {
    static const char scheme[] = "Bearer ";

    if (header == NULL || strncasecmp(header, scheme, strlen(scheme)) != 0) {
        return NULL;
    }
    header += strlen(scheme);
    header += strspn(header, " ");
    return *header != '\0' ? header : NULL;
}

void authentication_challenge(struct request *request, bool token_was_bad) {
    request_answer_problem(request, MHD_HTTP_UNAUTHORIZED, token_was_bad ? "invalid_token" : "missing_token",
                           token_was_bad ? "Invalid or expired token" : "Missing or invalid Authorization header",
                           NO_RETRY);
    request->reply.bearer_challenge = true;
    request->reply.token_was_bad = token_was_bad;
}

bool authentication_is_bearer(const char *header, const char *expected) {
    const char *token = bearer_token(header);
    size_t length = strlen(expected);
    unsigned char difference = 0;
    size_t i;

    if (token == NULL || strlen(token) != length) {
        return false;
    }
    for (i = 0; i < length; i++) {
        difference |= (unsigned char)(token[i] ^ expected[i]);
    }
    return difference == 0;
}

/* identify verifies the token; returns false after refusing. */
static bool identify(struct request *request) {
    const char *token = bearer_token(request_header(request, "Authorization"));

    if (token == NULL) {
        authentication_challenge(request, false);
        return false;
    }
    if (!token_cache_verify(request->gateway->token_cache, &request->gateway->tokens, token, (int64_t)time(NULL),
                            &request->identity)) {
        authentication_challenge(request, true);
        return false;
    }
    request->identified = true;
    return true;
}

/* set_actor tells on whose behalf the route is called. */
static void set_actor(struct request *request) {
    const struct identity *identity = &request->identity;

    request->sources.actor = identity->username;
    if (identity->is_admin) {
        request->sources.admin_id = identity->subject_text;
    } else if (configuration_customer_needs_token(&request->gateway->configuration)) {
        request->sources.actor_id = identity->subject_text;
    }
}

/* token_read tells whether the Authorization header matters. */
static bool token_read(const struct request *request) {
    switch (request->route->access) {
    case ACCESS_OPEN:
        return false;
    case ACCESS_CUSTOMER_OR_ADMIN:
        if (request_header(request, "Authorization") != NULL) {
            return true;
        }
        break;
    case ACCESS_CUSTOMER:
        break;
    case ACCESS_ADMIN:
        return true;
    }
    return configuration_customer_needs_token(&request->gateway->configuration);
}

void authentication_check(struct request *request) {
    if (!token_read(request) || !identify(request)) {
        return;
    }
    if (request->route->access == ACCESS_ADMIN && !request->identity.is_admin) {
        request_answer_problem(request, MHD_HTTP_FORBIDDEN, "admin_required", "Requires admin role", NO_RETRY);
        return;
    }
    set_actor(request);
}
