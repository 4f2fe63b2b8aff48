#include "authentication.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "errmap.h"
#include "request.h"

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

/* challenge refuses with 401 and says how to sign in (RFC 6750 section 3). */
static void challenge(struct request *request, bool token_was_bad) {
    request_answer_problem(request, MHD_HTTP_UNAUTHORIZED, token_was_bad ? "invalid_token" : "missing_token",
                           token_was_bad ? "Invalid or expired token" : "Missing or invalid Authorization header",
                           NO_RETRY);
    request->reply.bearer_challenge = true;
    request->reply.token_was_bad = token_was_bad;
}

/* identify verifies the token; returns false after refusing. */
static bool identify(struct request *request) {
    const char *token = bearer_token(request_header(request, "Authorization"));

    if (token == NULL) {
        challenge(request, false);
        return false;
    }
    if (!token_verify(&request->gateway->tokens, token, (int64_t)time(NULL), &request->identity)) {
        challenge(request, true);
        return false;
    }
    request->identified = true;
    return true;
}

void authentication_check(struct request *request) {
    bool is_admin_route = request->route->access == ACCESS_ADMIN;
    bool token_needed = is_admin_route || (request->route->access == ACCESS_CUSTOMER &&
                                           configuration_customer_needs_token(&request->gateway->configuration));

    if (!token_needed || !identify(request)) {
        return;
    }
    if (is_admin_route && !request->identity.is_admin) {
        request_answer_problem(request, MHD_HTTP_FORBIDDEN, "admin_required", "Requires admin role", NO_RETRY);
        return;
    }
    request->sources.actor = request->identity.username;
    if (request->identity.is_admin) {
        request->sources.admin_id = request->identity.subject_text;
    } else {
        request->sources.actor_id = request->identity.subject_text;
    }
}
