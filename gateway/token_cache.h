/*
 * Tokens that were verified a moment ago. Clients send the same token with every request; verifying it costs as much as
 * half of a simple request.
 */
#ifndef SHOP_GATEWAY_TOKEN_CACHE_H
#define SHOP_GATEWAY_TOKEN_CACHE_H

#include "token.h"

struct token_cache;

/* token_cache_create makes an empty cache. NULL when memory is short. */
struct token_cache *token_cache_create(void);

/* token_cache_free frees it; NULL is allowed. */
void token_cache_free(struct token_cache *cache);

/* token_cache_verify does what token_verify does, at once where the very same token was found good before and has not
 * expired since. settings must be the same in all calls. */
bool token_cache_verify(struct token_cache *cache, const struct token_settings *settings, const char *token,
                        int64_t now, struct identity *identity);

#endif
