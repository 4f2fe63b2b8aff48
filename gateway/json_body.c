#include "json_body.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_word(const char *text, size_t length, const char *word) {
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

/* is_json_subtype tells whether "json" or "<name>+json" is given. */
static bool is_json_subtype(const char *subtype, size_t length) {
    size_t i;

    for (i = 0; i < length; i++) {
        if (!isalnum((unsigned char)subtype[i]) && strchr("!#$&-^_.+", subtype[i]) == NULL) {
            return false;
        }
    }
    return is_word(subtype, length, "json") ||
           (length > strlen("+json") && is_word(subtype + length - strlen("+json"), strlen("+json"), "+json"));
}

/* charset_accepted reads one parameter "name=value"; only a charset other than UTF-8 is refused. */
static bool charset_accepted(const char *parameter, size_t length) {
    static const char name[] = "charset=";
    const char *value = parameter + strlen(name);

    if (length < strlen(name) || strncasecmp(parameter, name, strlen(name)) != 0) {
        return true;
    }
    length -= strlen(name);
    if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
        value++;
        length -= 2;
    }
    return is_word(value, length, "utf-8") || is_word(value, length, "utf8") || is_word(value, length, "us-ascii");
}

/* trimmed_length gives the length without blanks at the end. */
static size_t trimmed_length(const char *text, size_t length) {
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        length--;
    }
    return length;
}

bool json_content_type_accepted(const char *content_type) {
    static const char type[] = "application/";
    size_t length;

    if (content_type == NULL || strncasecmp(content_type, type, strlen(type)) != 0) {
        return false;
    }
    content_type += strlen(type);
    length = strcspn(content_type, ";");
    if (!is_json_subtype(content_type, trimmed_length(content_type, length))) {
        return false;
    }
    content_type += length;
    while (*content_type == ';') {
        content_type++;
        content_type += strspn(content_type, " \t");
        length = strcspn(content_type, ";");
        if (!charset_accepted(content_type, trimmed_length(content_type, length))) {
            return false;
        }
        content_type += length;
    }
    return true;
}

/* string_end gives the position behind the string that starts at text[at], or size when it does not end. */
static size_t string_end(const char *text, size_t size, size_t at) {
    for (at++; at < size; at++) {
        if (text[at] == '\\') {
            at++;
        } else if (text[at] == '"') {
            return at + 1;
        }
    }
    return size;
}

/*
 * is_too_large counts outside strings, before the parser sees the text: that would go 2048 deep, and takes some 200
 * bytes for each "{}". Behind the outermost value each one follows an opening bracket or a comma, or a name that does.
 */
static bool is_too_large(const char *text, size_t size) {
    size_t depth = 0, values = 1;
    size_t at = 0;

    while (at < size) {
        if (text[at] == '"') {
            at = string_end(text, size, at);
            continue;
        }
        if (text[at] == '{' || text[at] == '[') {
            depth++;
            values++;
        } else if ((text[at] == '}' || text[at] == ']') && depth > 0) {
            depth--;
        } else if (text[at] == ',') {
            values++;
        }
        if (depth > JSON_MAXIMUM_DEPTH || values > JSON_MAXIMUM_VALUES) {
            return true;
        }
        at++;
    }
    return false;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(const char *text, size_t size, size_t at) {
    while (at < size && is_blank(text[at])) {
        at++;
    }
    return at;
}

/* value_end gives the position behind the value that starts at text[at]; the text is known to be valid JSON. */
static size_t value_end(const char *text, size_t size, size_t at) {
    size_t depth = 0;

    do {
        if (text[at] == '"') {
            at = string_end(text, size, at);
        } else if (text[at] == '{' || text[at] == '[') {
            depth++;
            at++;
        } else if (text[at] == '}' || text[at] == ']') {
            depth--;
            at++;
        } else if (depth > 0) {
            at++;
        } else {
            while (at < size && !is_blank(text[at]) && text[at] != ',' && text[at] != '}') {
                at++;
            }
        }
    } while (depth > 0 && at < size);
    return at;
}

/*
 * find_literals notes where each member's value stands. The text is valid, and jansson keeps members in their order, so
 * the n-th value of the text belongs to the n-th member.
 */
static void find_literals(const char *text, size_t size, struct json_body *body) {
    size_t at = skip_blanks(text, size, 0) + 1;
    size_t i;

    for (i = 0; i < body->count; i++) {
        at = skip_blanks(text, size, at);
        at = string_end(text, size, at);
        at = skip_blanks(text, size, at) + 1; /* the colon */
        at = skip_blanks(text, size, at);
        body->members[i].literal = text + at;
        at = value_end(text, size, at);
        body->members[i].literal_size = (size_t)(text + at - body->members[i].literal);
        at = skip_blanks(text, size, at) + 1; /* the comma or the closing bracket */
    }
}

bool json_body_parse(const char *text, size_t size, struct json_body *body) {
    /* Integers as reals, so that one beyond 64 bits is no syntax error: their value is taken from the literal anyway.
     */
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL;
    const char *name;
    json_t *value;
    size_t i = 0;

    memset(body, 0, sizeof(*body));
    if (size == 0 || is_too_large(text, size)) {
        return false;
    }
    body->document = json_loadb(text, size, flags, NULL);
    if (!json_is_object(body->document)) {
        return false;
    }
    body->members = calloc(json_object_size(body->document) + 1, sizeof(*body->members));
    if (body->members == NULL) {
        return false;
    }
    body->count = json_object_size(body->document);
    json_object_foreach(body->document, name, value) {
        body->members[i++] = (struct json_member){.name = name, .value = value};
    }
    find_literals(text, size, body);
    return true;
}

void json_body_free(struct json_body *body) {
    json_decref(body->document);
    free(body->members);
    memset(body, 0, sizeof(*body));
}

const struct json_member *json_body_find(const struct json_body *body, const char *name) {
    size_t i;

    for (i = 0; i < body->count; i++) {
        if (strcmp(body->members[i].name, name) == 0) {
            return &body->members[i];
        }
    }
    return NULL;
}
