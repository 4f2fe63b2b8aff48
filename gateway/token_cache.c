#include "token_cache.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS         1024 /* a token has one place; a newer one with the same place replaces it */
#define LONGEST_TOKEN 2048 /* longer ones are verified each time, which bounds the memory */

struct slot {
    char *token; /* NULL: empty */
    size_t length;
    struct identity identity;
};

struct token_cache {
    struct slot slots[SLOTS];
};

struct token_cache *token_cache_create(void) {
    return calloc(1, sizeof(struct token_cache));
}

void token_cache_free(struct token_cache *cache) {
    size_t i;

    if (cache == NULL) {
        return;
    }
    for (i = 0; i < SLOTS; i++) {
        free(cache->slots[i].token);
    }
    free(cache);
}

/* slot_of finds the token's place by FNV-1a of its bytes. Who makes tokens collide only makes them slower. */
static struct slot *slot_of(struct token_cache *cache, const char *token) {
    uint64_t hash = 14695981039346656037U;

    for (; *token != '\0'; token++) {
        hash = (hash ^ (unsigned char)*token) * 1099511628211U;
    }
    return &cache->slots[(hash ^ (hash >> 32)) % SLOTS];
}

/* holds tells whether the slot has this token. The time it takes does not tell how much of a guess is right. */
static bool holds(const struct slot *slot, const char *token, size_t length) {
    unsigned char difference = 0;
    size_t i;

    if (slot->token == NULL || slot->length != length) {
        return false;
    }
    for (i = 0; i < length; i++) {
        difference |= (unsigned char)(slot->token[i] ^ token[i]);
    }
    return difference == 0;
}

static void keep(struct slot *slot, const char *token, size_t length, const struct identity *identity) {
    char *copy = length <= LONGEST_TOKEN ? strdup(token) : NULL;

    if (copy == NULL) {
        return;
    }
    free(slot->token);
    slot->token = copy;
    slot->length = length;
    slot->identity = *identity;
}

bool token_cache_verify(struct token_cache *cache, const struct token_settings *settings, const char *token,
                        int64_t now, struct identity *identity) {
    size_t length = strlen(token);
    struct slot *slot = slot_of(cache, token);

    /* nbf needs no second look: it lies in the past for good. */
    if (holds(slot, token, length) && slot->identity.expires > (double)now) {
        *identity = slot->identity;
        return true;
    }
    if (!token_verify(settings, token, now, identity)) {
        return false;
    }
    keep(slot, token, length, identity);
    return true;
}
