#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "intake_document.h"
#include "money.h"
#include "subtransaction.h"

/* Of a number anywhere in a document, before and after the decimal point. */
#define NUMBER_DIGITS_MAX 100

/* Of the items as they are kept and sent. A request of 10 MB stays below it, unless it holds many numbers such as
 * "1e99", which are much longer in print: those make a message of which the poller would run out of memory. */
#define ITEMS_MEGABYTES_MAX 12

/* member gives a member of an object; NULL when it is missing or null. */
static JsonbValue *member(JsonbContainer *object, const char *name) {
    JsonbValue *value = getKeyJsonValueFromContainer(object, name, strlen(name), NULL);

    return value == NULL || value->type == jbvNull ? NULL : value;
}

/* string_of copies a string value. */
static char *string_of(const JsonbValue *value) {
    return pnstrdup(value->val.string.val, value->val.string.len);
}

/* digits_of gives the text of a number, or of a string; NULL for any other type. */
static char *literal_of(const JsonbValue *value) {
    if (value->type == jbvString)
        return string_of(value);
    if (value->type == jbvNumeric)
        return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
    return NULL;
}

/* read_integer reads an optional minus and decimal digits; false for anything else and for more than fits. */
static bool read_integer(const JsonbValue *value, int64 *result) {
    const char *text = literal_of(value);
    char *end;

    if (text == NULL || text[0] == '\0' || strspn(text, "-0123456789") != strlen(text) || strlen(text) > 18)
        return false;
    *result = strtoll(text, &end, 10);
    return *end == '\0' && text[strlen(text) - 1] != '-';
}

/* read_amount reads a decimal number, or a string of one; false for anything else. *negative tells why, where that is
 * so. */
static bool read_amount(const JsonbValue *value, int64 *cents, bool *negative) {
    const char *text = literal_of(value);
    Datum numeric;

    *negative = false;
    if (text == NULL || text[0] == '\0' || strlen(text) > 40)
        return false;
    *negative = text[0] == '-' && strpbrk(text, "123456789") != NULL;
    if (strspn(text, "0123456789.") != strlen(text) || strpbrk(text, "0123456789") == NULL ||
        (strchr(text, '.') != NULL && strchr(strchr(text, '.') + 1, '.') != NULL))
        return false;
    numeric = DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
    return money_parse(numeric, cents);
}

/* small_difference tells whether two numbers are less than 0.00001 apart. */
static bool small_difference(Datum one, Datum other) {
    Datum limit =
        DirectFunctionCall3(numeric_in, CStringGetDatum("0.00001"), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
    Datum difference = DirectFunctionCall1(numeric_abs, DirectFunctionCall2(numeric_sub, one, other));

    return DatumGetBool(DirectFunctionCall2(numeric_lt, difference, limit));
}

/*
 * read_total reads the total of whoever made the document. It decides nothing: it has to be the exact sum. A sum that
 * was taken in binary floating point comes with a rest far behind the cents (JavaScript and Python print 0.1 + 0.2 as
 * 0.30000000000000004) and stands for the amount beside it.
 */
static bool read_total(const JsonbValue *value, int64 *cents) {
    bool negative;
    Datum rounded;

    if (read_amount(value, cents, &negative))
        return true;
    if (value->type != jbvNumeric)
        return false;
    rounded = DirectFunctionCall2(numeric_round, NumericGetDatum(value->val.numeric), Int32GetDatum(2));
    return small_difference(NumericGetDatum(value->val.numeric), rounded) && money_parse(rounded, cents);
}

/* append_value prints any JSON value. */
static void append_value(StringInfo out, const JsonbValue *value) {
    switch (value->type) {
    case jbvNull:
        appendStringInfoString(out, "null");
        break;
    case jbvString:
        escape_json(out, string_of(value));
        break;
    case jbvNumeric:
        appendStringInfoString(out, literal_of(value));
        break;
    case jbvBool:
        appendStringInfoString(out, value->val.boolean ? "true" : "false");
        break;
    default:
        JsonbToCString(out, value->val.binary.data, value->val.binary.len);
    }
}

/* append_item prints an item: its three members normalised, then the others as they came. */
static void append_item(StringInfo out, JsonbContainer *object, const IntakeItem *item) {
    JsonbIterator *iterator = JsonbIteratorInit(object);
    JsonbIteratorToken token;
    JsonbValue value;

    appendStringInfoString(out, "{\"product_id\":");
    append_value(out, member(object, "product_id"));
    appendStringInfo(out, ",\"quantity\":%d,\"price\":", item->quantity);
    money_append(out, item->price);
    while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE) {
        const char *name;

        if (token != WJB_KEY)
            continue;
        name = string_of(&value);
        JsonbIteratorNext(&iterator, &value, true);
        if (strcmp(name, "product_id") == 0 || strcmp(name, "quantity") == 0 || strcmp(name, "price") == 0)
            continue;
        appendStringInfoChar(out, ',');
        escape_json(out, name);
        appendStringInfoChar(out, ':');
        append_value(out, &value);
    }
    appendStringInfoChar(out, '}');
}

/* read_item reads one item; the message says what is wrong with it. */
static const char *read_item(JsonbContainer *object, int number, IntakeItem *item) {
    JsonbValue *product_id = member(object, "product_id");
    JsonbValue *quantity = member(object, "quantity");
    JsonbValue *price = member(object, "price");
    bool negative;
    int64 units;

    if (product_id == NULL || quantity == NULL || price == NULL)
        return "Each item must have product_id, quantity, and price";
    if (product_id->type == jbvString)
        item->product_id = string_of(product_id);
    else if (product_id->type == jbvNumeric && read_integer(product_id, &units))
        item->product_id = psprintf(INT64_FORMAT, units);
    else
        return psprintf("items[%d].product_id must be a string or an integer", number);
    if (item->product_id[0] == '\0' || pg_mbstrlen(item->product_id) > 255)
        return psprintf("items[%d].product_id must have 1 to 255 characters", number);
    if (!read_integer(quantity, &units))
        return psprintf("items[%d].quantity must be an integer between 1 and %d", number, INTAKE_QUANTITY_MAX);
    if (units <= 0)
        return "Quantity must be positive and price must be non-negative";
    if (units > INTAKE_QUANTITY_MAX)
        return psprintf("items[%d].quantity must be an integer between 1 and %d", number, INTAKE_QUANTITY_MAX);
    item->quantity = (int32)units;
    if (read_amount(price, &item->price, &negative))
        return NULL;
    return negative ? "Quantity must be positive and price must be non-negative"
                    : psprintf("items[%d].price must be a non-negative number with at most two decimals", number);
}

/* read_items reads the array of items and sums them. */
static const char *read_items(JsonbContainer *array, IntakeDocument *document) {
    int count = JsonContainerSize(array);
    StringInfoData json;

    if (count > INTAKE_ITEMS_MAX)
        return psprintf("items must have 1 to %d entries", INTAKE_ITEMS_MAX);
    document->items = palloc0(count * sizeof(IntakeItem));
    document->item_count = count;
    initStringInfo(&json);
    appendStringInfoChar(&json, '[');
    for (int i = 0; i < count; i++) {
        JsonbValue *element = getIthJsonbValueFromContainer(array, i);
        IntakeItem *item = &document->items[i];
        const char *fault;

        if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
            return "Each item must have product_id, quantity, and price";
        fault = read_item(element->val.binary.data, i, item);
        if (fault != NULL)
            return fault;
        if (!money_add_line(&document->total, item->price, item->quantity))
            return "The order's total is over 9999999999.99";
        if (i > 0)
            appendStringInfoChar(&json, ',');
        append_item(&json, element->val.binary.data, item);
        if (json.len > ITEMS_MEGABYTES_MAX * 1024 * 1024)
            return psprintf("items must take at most %d MB with their numbers written out", ITEMS_MEGABYTES_MAX);
    }
    appendStringInfoChar(&json, ']');
    document->items_json = json.data;
    return NULL;
}

/* read_order_id reads the order's own id, of characters that are safe in a path, where "." and ".." are none. */
static const char *read_order_id(const JsonbValue *value, IntakeDocument *document) {
    if (value == NULL)
        return NULL;
    if (value->type == jbvString) {
        document->order_id = string_of(value);
        if (document->order_id[0] != '\0' && strlen(document->order_id) <= INTAKE_ORDER_ID_MAX &&
            strspn(document->order_id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-") ==
                strlen(document->order_id) &&
            strcmp(document->order_id, ".") != 0 && strcmp(document->order_id, "..") != 0)
            return NULL;
    }
    return psprintf("order_id must be a string of 1 to %d letters, digits, '.', '_', ':' or '-'", INTAKE_ORDER_ID_MAX);
}

bool intake_order_id_is_number(const IntakeDocument *document) {
    return document->order_id != NULL && strspn(document->order_id, "0123456789") == strlen(document->order_id);
}

/* is_printable tells whether a number has at most NUMBER_DIGITS_MAX digits before and after the decimal point. */
static bool is_printable(Numeric number) {
    Datum limit = DirectFunctionCall3(numeric_in, CStringGetDatum("1e" CppAsString2(NUMBER_DIGITS_MAX)),
                                      ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
    Datum magnitude = DirectFunctionCall1(numeric_abs, NumericGetDatum(number));

    return DatumGetBool(DirectFunctionCall2(numeric_lt, magnitude, limit)) &&
           DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(number))) <= NUMBER_DIGITS_MAX;
}

/* numbers_are_printable looks at every number of a document: "1e131071" is short, but its digits fill a page. */
static bool numbers_are_printable(Jsonb *document) {
    JsonbIterator *iterator = JsonbIteratorInit(&document->root);
    JsonbIteratorToken token;
    JsonbValue value;

    while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
        if ((token == WJB_ELEM || token == WJB_VALUE) && value.type == jbvNumeric && !is_printable(value.val.numeric))
            return false;
    return true;
}

const char *intake_read_document(const char *json, IntakeDocument *document) {
    Jsonb *parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
    const char *fault;
    JsonbValue *customer;
    JsonbValue *items;
    JsonbValue *total;

    memset(document, 0, sizeof(*document));
    document->given_total = INTAKE_TOTAL_MISSING;
    if (!JsonContainerIsObject(&parsed->root))
        return "customer_id and items array are required";
    if (!numbers_are_printable(parsed))
        return psprintf("numbers must have at most %d digits before and after the decimal point", NUMBER_DIGITS_MAX);
    customer = member(&parsed->root, "customer_id");
    items = member(&parsed->root, "items");
    total = member(&parsed->root, "total_amount");
    if (customer == NULL || items == NULL || items->type != jbvBinary ||
        !JsonContainerIsArray(items->val.binary.data) || JsonContainerSize(items->val.binary.data) == 0 ||
        (customer->type == jbvString && customer->val.string.len == 0))
        return "customer_id and items array are required";
    if (customer->type == jbvString)
        document->customer_id = string_of(customer);
    if (document->customer_id == NULL || pg_mbstrlen(document->customer_id) > INTAKE_CUSTOMER_ID_MAX)
        return psprintf("customer_id must be a string of 1 to %d characters", INTAKE_CUSTOMER_ID_MAX);
    fault = read_items(items->val.binary.data, document);
    if (fault == NULL)
        fault = read_order_id(member(&parsed->root, "order_id"), document);
    if (fault == NULL && total != NULL && !read_total(total, &document->given_total))
        document->given_total = INTAKE_TOTAL_UNREADABLE;
    return fault;
}

/* A message to be read, and what has been found wrong with it. */
typedef struct MessageReading {
    const char *json;
    IntakeDocument *document;
    const char *fault;
} MessageReading;

static void read_message(void *argument) {
    MessageReading *reading = argument;

    reading->fault = intake_read_document(reading->json, reading->document);
}

const char *intake_read_message(const char *json, IntakeDocument *document) {
    MessageReading reading = {.json = json, .document = document};
    ErrorData *error = subtransaction_try(read_message, &reading);

    if (error == NULL)
        return reading.fault;
    /* Class 22: the data's own fault (PostgreSQL's manual, "PostgreSQL Error Codes"). */
    if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
        ReThrowError(error);
    return error->message;
}
