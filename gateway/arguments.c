#include "arguments.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

/* The value that the functions refuse where an optional integer is given but unusable. */
#define UNUSABLE_INTEGER "-1"

/* The value that the functions refuse where an amount is given but unusable. */
#define UNUSABLE_MONEY "NaN"

/* What LENIENT_INTEGER_8 makes of numbers that are too large or too small. */
#define GREATEST_INTEGER "9223372036854775807"
#define LEAST_INTEGER    "-9223372036854775808"

/* What a source holds: nothing, text that came as text, or a member of the body. */
struct raw_value {
    bool given;
    bool usable;                      /* false: given in a way that has no single value */
    const char *text;                 /* path, query, header, context */
    const struct json_member *member; /* body */
};

static bool integer_fits(const char *text, enum argument_type type) {
    int64_t number;

    if (type == INTEGER_4) {
        return text_to_int64(text, INT32_MIN, INT32_MAX, &number);
    }
    return text_to_int64(text, INT64_MIN, INT64_MAX, &number);
}

static size_t count_digits(const char *text) {
    return strspn(text, "0123456789");
}

/* money_shaped tells whether text is -?digits(.digits)?(e[+-]?digits{1,2})? and not too long. */
static bool money_shaped(const char *text) {
    size_t digits;

    if (strlen(text) > ARGUMENT_MONEY_LIMIT) {
        return false;
    }
    text += *text == '-' ? 1 : 0;
    digits = count_digits(text);
    text += digits;
    if (digits > 0 && *text == '.') {
        digits = count_digits(++text);
        text += digits;
    }
    if (digits > 0 && (*text == 'e' || *text == 'E')) {
        text++;
        text += *text == '+' || *text == '-' ? 1 : 0;
        digits = count_digits(text);
        text += digits;
        if (digits > 2) {
            return false;
        }
    }
    return digits > 0 && *text == '\0';
}

/*
 * plain_text gives the text of a value whose type may be a number: a string's content, or a number's literal. Returns a
 * malloc'd text, or NULL for other JSON types, or when it is too long to be any number.
 */
static char *plain_text(const struct raw_value *raw) {
    if (!raw->usable) {
        return NULL;
    }
    if (raw->member == NULL) {
        return strdup(raw->text);
    }
    if (json_is_string(raw->member->value)) {
        return strdup(json_string_value(raw->member->value));
    }
    if (json_is_number(raw->member->value) && raw->member->literal_size < 256) {
        return strndup(raw->member->literal, raw->member->literal_size);
    }
    return NULL;
}

static void set_owned(struct argument_values *values, size_t index, char *text) {
    values->owned[index] = text;
    values->values[index] = text;
}

/* set_integer: a JSON integer or a string of digits, which has no sign; in paths and queries a sign is read. */
static void set_integer(const struct argument *argument, const struct raw_value *raw, struct argument_values *values,
                        size_t index) {
    char *text = plain_text(raw);
    bool is_string = raw->member != NULL && json_is_string(raw->member->value);

    if (text != NULL && integer_fits(text, argument->type) && !(is_string && *text == '-')) {
        set_owned(values, index, text);
        return;
    }
    free(text);
    values->values[index] = argument->optional ? UNUSABLE_INTEGER : NULL;
}

/*
 * set_lenient_integer: as parseInt() of the predecessors' query parsing, but for whole numbers only. Digits that are
 * too many still tell on which side of the range they are.
 */
static void set_lenient_integer(const struct raw_value *raw, struct argument_values *values, size_t index) {
    char *text = plain_text(raw);
    const char *digits = text != NULL && *text == '-' ? text + 1 : text;

    if (text == NULL || *digits == '\0' || count_digits(digits) != strlen(digits)) {
        free(text);
    } else if (integer_fits(text, INTEGER_8)) {
        set_owned(values, index, text);
    } else {
        values->values[index] = *text == '-' ? LEAST_INTEGER : GREATEST_INTEGER;
        free(text);
    }
}

/* set_boolean returns false when the member is neither true nor false. */
static bool set_boolean(const struct raw_value *raw, struct argument_values *values, size_t index) {
    if (raw->member == NULL) {
        values->values[index] = raw->text;
        return true;
    }
    values->values[index] = json_is_true(raw->member->value) ? "true" : "false";
    return json_is_boolean(raw->member->value);
}

/* set_money: a JSON number in any of its forms, or a decimal string, which has no exponent. */
static void set_money(const struct raw_value *raw, struct argument_values *values, size_t index) {
    char *text = plain_text(raw);
    bool is_string = raw->member != NULL && json_is_string(raw->member->value);

    if (text != NULL && money_shaped(text) && !(is_string && strpbrk(text, "eE-") != NULL)) {
        set_owned(values, index, text);
        return;
    }
    free(text);
    values->values[index] = UNUSABLE_MONEY;
}

/* set_text returns false when the member is no string. */
static bool set_text(const struct raw_value *raw, struct argument_values *values, size_t index) {
    if (raw->member == NULL) {
        values->values[index] = raw->text;
        return raw->usable;
    }
    values->values[index] = json_string_value(raw->member->value);
    return json_is_string(raw->member->value);
}

static struct raw_value from_text(const char *text) {
    return (struct raw_value){.given = text != NULL, .usable = true, .text = text};
}

static struct raw_value from_path(const struct argument_sources *sources, const char *name) {
    size_t i;

    for (i = 0; i < sources->path_value_count; i++) {
        const struct path_value *found = &sources->path_values[i];

        if (strlen(name) == found->name_length && strncmp(name, found->name, found->name_length) == 0) {
            return from_text(found->value);
        }
    }
    return from_text(NULL);
}

static struct raw_value from_query(const struct argument_sources *sources, const char *name) {
    struct raw_value raw;
    bool repeated;

    request_target_parameter(sources->target, name, &raw.text, &repeated);
    raw.member = NULL;
    raw.given = raw.text != NULL;
    raw.usable = !repeated;
    return raw;
}

static struct raw_value from_body(const struct argument_sources *sources, const char *name) {
    const struct json_member *member = sources->body != NULL ? json_body_find(sources->body, name) : NULL;

    return (struct raw_value){
        .given = member != NULL && !json_is_null(member->value), .usable = true, .member = member};
}

/* find_value reads the argument's source. */
static struct raw_value find_value(const struct argument *argument, const struct argument_sources *sources) {
    struct raw_value raw;

    switch (argument->source) {
    case FROM_PATH:
        return from_path(sources, argument->name);
    case FROM_QUERY:
        return from_query(sources, argument->name);
    case FROM_BODY:
        return from_body(sources, argument->name);
    case FROM_QUERY_OR_BODY:
        raw = from_query(sources, argument->name);
        return raw.given ? raw : from_body(sources, argument->name);
    case FROM_WHOLE_BODY:
        return from_text(sources->body_text);
    case FROM_KEY:
        return from_text(sources->idempotency_key);
    case FROM_STORE:
        return from_text(sources->store_id);
    case FROM_ACTOR_ID:
        return from_text(sources->actor_id);
    case FROM_ADMIN_ID:
        return from_text(sources->admin_id);
    case FROM_IS_ADMIN:
        return from_text(sources->admin_id != NULL ? "true" : "false");
    case FROM_ACTOR:
        return from_text(sources->actor);
    case FROM_REQUEST_ID:
        return from_text(sources->request_id);
    case FROM_TRACEPARENT:
        break;
    }
    return from_text(sources->traceparent);
}

/* set_value converts a value that is given; returns false when its type is wrong in a way that we refuse ourselves. */
static bool set_value(const struct argument *argument, const struct raw_value *raw, struct argument_values *values,
                      size_t index) {
    switch (argument->type) {
    case TEXT:
        return set_text(raw, values, index);
    case BOOLEAN:
        return set_boolean(raw, values, index);
    case MONEY:
        set_money(raw, values, index);
        return true;
    case LENIENT_INTEGER_8:
        set_lenient_integer(raw, values, index);
        return true;
    case INTEGER_4:
    case INTEGER_8:
        break;
    }
    set_integer(argument, raw, values, index);
    return true;
}

const struct argument *arguments_collect(const struct argument *table, size_t count,
                                         const struct argument_sources *sources, struct argument_values *values) {
    size_t i;

    memset(values, 0, sizeof(*values));
    for (i = 0; i < count; i++) {
        struct raw_value raw = find_value(&table[i], sources);

        if (raw.given && !set_value(&table[i], &raw, values, i)) {
            return &table[i];
        }
    }
    return NULL;
}

void arguments_free(struct argument_values *values) {
    size_t i;

    for (i = 0; i < ARGUMENTS_MAXIMUM; i++) {
        free(values->owned[i]);
        values->owned[i] = NULL;
    }
}
