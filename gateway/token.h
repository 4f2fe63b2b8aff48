/*
 * Access tokens: JSON Web Tokens signed with HMAC-SHA-256 (RFC 7519; RFC 8725 for the traps).
 */
#ifndef SHOP_GATEWAY_TOKEN_H
#define SHOP_GATEWAY_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

/* Longest user name kept of a token, with its NUL; a longer one is replaced by the subject. */
#define TOKEN_USERNAME_SIZE 256

struct token_settings {
    const char *secret;    /* never empty */
    const char *issuer;    /* NULL: neither written nor checked */
    const char *audience;  /* the same */
    long lifetime_seconds; /* of tokens that are issued */
};

/* Who a valid token speaks for. */
struct identity {
    int64_t subject; /* the user; 0: the subject is no user of the shop */
    char subject_text[24];
    char username[TOKEN_USERNAME_SIZE]; /* the claim, or the subject where it is missing */
    bool is_admin;
    double expires; /* exp: seconds since 1970 */
};

/*
 * token_verify checks a token: three parts, HS256 and nothing else whatever its header says, no critical extensions,
 * signature, exp (required) in the future, nbf not more than 30 s ahead, iss and aud where configured, and a subject.
 * now: seconds since 1970. Returns false for any fault; it is not told which.
 */
bool token_verify(const struct token_settings *settings, const char *token, int64_t now, struct identity *identity);

/* token_issue makes a token for an account. Returns malloc'd text, or NULL when memory is short. */
char *token_issue(const struct token_settings *settings, const char *subject, const char *username, const char *role,
                  int64_t now);

#endif
