#include "token.h"

#include <jansson.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define NOT_BEFORE_LEEWAY_SECONDS 30

static bool is_text(const json_t *value, const char *expected) {
    return json_is_string(value) && strcmp(json_string_value(value), expected) == 0;
}

/* algorithm_pinned tells whether the header names HS256, in these letters (RFC 7515 section 4.1.1), and asks for no
 * extension that we would have to understand (section 4.1.11). The library checks the signature with whatever algorithm
 * the header names, in letters of any size. */
static bool algorithm_pinned(jwt_t *decoded) {
    const char *name = jwt_get_header(decoded, "alg");
    char *critical;

    if (jwt_get_alg(decoded) != JWT_ALG_HS256 || name == NULL || strcmp(name, "HS256") != 0) {
        return false;
    }
    critical = jwt_get_headers_json(decoded, "crit");
    free(critical);
    return critical == NULL;
}

/* in_time checks exp and nbf; the library looks at neither. A fraction of a second is allowed by the standard. */
static bool in_time(const json_t *claims, int64_t now) {
    const json_t *expires = json_object_get(claims, "exp");
    const json_t *not_before = json_object_get(claims, "nbf");

    if (!json_is_number(expires) || json_number_value(expires) <= (double)now) {
        return false;
    }
    if (not_before == NULL) {
        return true;
    }
    return json_is_number(not_before) && json_number_value(not_before) <= (double)now + NOT_BEFORE_LEEWAY_SECONDS;
}

/* audience_matches: aud is one text or an array of them (RFC 7519 section 4.1.3). */
static bool audience_matches(const json_t *audience, const char *expected) {
    size_t i;
    const json_t *one;

    if (!json_is_array(audience)) {
        return is_text(audience, expected);
    }
    json_array_foreach(audience, i, one) {
        if (is_text(one, expected)) {
            return true;
        }
    }
    return false;
}

/* read_subject: a text of digits, as the standard wants it, or an integer, as some issuers write it, is the number of a
 * user; any other text is somebody who is no user of the shop, number 0. */
static bool read_subject(const json_t *subject, int64_t *number) {
    if (json_is_integer(subject)) {
        *number = json_integer_value(subject);
        return *number >= 1;
    }
    if (!json_is_string(subject) || json_string_length(subject) == 0) {
        return false;
    }
    if (!text_to_int64(json_string_value(subject), 1, INT64_MAX, number)) {
        *number = 0;
    }
    return true;
}

/* read_identity copies the subject, name and role out of the claims. */
static bool read_identity(const json_t *claims, struct identity *identity) {
    const json_t *username = json_object_get(claims, "username");

    if (!read_subject(json_object_get(claims, "sub"), &identity->subject)) {
        return false;
    }
    snprintf(identity->subject_text, sizeof(identity->subject_text), "%lld", (long long)identity->subject);
    snprintf(identity->username, sizeof(identity->username), "%s", identity->subject_text);
    if (json_is_string(username) && json_string_length(username) > 0 &&
        json_string_length(username) < sizeof(identity->username)) {
        snprintf(identity->username, sizeof(identity->username), "%s", json_string_value(username));
    }
    identity->expires = json_number_value(json_object_get(claims, "exp"));
    identity->is_admin = is_text(json_object_get(claims, "role"), "admin");
    return true;
}

static bool claims_accepted(const struct token_settings *settings, const json_t *claims, int64_t now) {
    return json_is_object(claims) && in_time(claims, now) &&
           (settings->issuer == NULL || is_text(json_object_get(claims, "iss"), settings->issuer)) &&
           (settings->audience == NULL || audience_matches(json_object_get(claims, "aud"), settings->audience));
}

/* claims_of gives the claims of a decoded token, parsed by our own rules: the library's getters read a text or a
 * missing claim as 0. The caller owns the reference. */
static json_t *claims_of(jwt_t *decoded) {
    char *text = jwt_get_grants_json(decoded, NULL);
    json_t *claims = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

    free(text);
    return claims;
}

bool token_verify(const struct token_settings *settings, const char *token, int64_t now, struct identity *identity) {
    size_t length = strlen(settings->secret);
    jwt_t *decoded = NULL;
    json_t *claims;
    bool accepted;

    /* With an empty key the library would skip the signature. */
    if (length == 0 || jwt_decode(&decoded, token, (const unsigned char *)settings->secret, (int)length) != 0) {
        return false;
    }
    claims = algorithm_pinned(decoded) ? claims_of(decoded) : NULL;
    accepted = claims_accepted(settings, claims, now) && read_identity(claims, identity);
    json_decref(claims);
    jwt_free(decoded);
    return accepted;
}

/* add_claims fills a new token; returns 0 like the library. */
static int add_claims(jwt_t *token, const struct token_settings *settings, const char *subject, const char *username,
                      const char *role, int64_t now) {
    int failed = jwt_add_grant(token, "sub", subject);

    failed |= jwt_add_grant(token, "role", role);
    failed |= jwt_add_grant(token, "username", username);
    failed |= jwt_add_grant_int(token, "iat", (long)now);
    failed |= jwt_add_grant_int(token, "exp", (long)now + settings->lifetime_seconds);
    if (settings->issuer != NULL) {
        failed |= jwt_add_grant(token, "iss", settings->issuer);
    }
    if (settings->audience != NULL) {
        failed |= jwt_add_grant(token, "aud", settings->audience);
    }
    return failed;
}

char *token_issue(const struct token_settings *settings, const char *subject, const char *username, const char *role,
                  int64_t now) {
    size_t length = strlen(settings->secret);
    jwt_t *token = NULL;
    char *text = NULL;

    if (length == 0 || jwt_new(&token) != 0) {
        return NULL;
    }
    if (add_claims(token, settings, subject, username, role, now) == 0 &&
        jwt_set_alg(token, JWT_ALG_HS256, (const unsigned char *)settings->secret, (int)length) == 0) {
        text = jwt_encode_str(token);
    }
    jwt_free(token);
    return text;
}
