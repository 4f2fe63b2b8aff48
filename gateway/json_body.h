/*
 * Request bodies: strict JSON objects whose numbers keep the text they were written in.
 */
#ifndef SHOP_GATEWAY_JSON_BODY_H
#define SHOP_GATEWAY_JSON_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Deepest nesting of arrays and objects that is accepted. */
#define JSON_MAXIMUM_DEPTH 64

/* Most values in a body, where an empty array or object counts twice. The largest orders that make sense, 1000 items of
 * two dozen members, have a quarter of that; parsed, so many take some 20 MB. */
#define JSON_MAXIMUM_VALUES 100000

struct json_member {
    const char *name;
    const json_t *value;
    const char *literal; /* the value as it stands in the body; not NUL-terminated */
    size_t literal_size;
};

struct json_body {
    json_t *document;
    struct json_member *members; /* of the top-level object, in the order of the text */
    size_t count;
};

/* json_content_type_accepted tells whether a Content-Type header (NULL: none) announces JSON: application/json or
 * application/<anything>+json, any parameters, charset only UTF-8. */
bool json_content_type_accepted(const char *content_type);

/*
 * json_body_parse reads size bytes as one JSON object: RFC 8259, UTF-8, no duplicate names, no NUL characters, nested
 * at most JSON_MAXIMUM_DEPTH deep, at most JSON_MAXIMUM_VALUES values. text must outlive the body: literals point into
 * it. Returns false for anything else.
 */
bool json_body_parse(const char *text, size_t size, struct json_body *body);

/* json_body_free frees what json_body_parse made; also after it failed, or on a zeroed struct. */
void json_body_free(struct json_body *body);

/* json_body_find gives the top-level member of this name, or NULL. */
const struct json_member *json_body_find(const struct json_body *body, const char *name);

#endif
