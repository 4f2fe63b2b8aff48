#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "arguments.h"
#include "errors.h"
#include "response.h"

typedef struct ProblemDescription {
    int status;
    const char *code;
    const char *title;
} ProblemDescription;

static const ProblemDescription problems[] = {
    [PROBLEM_INVALID_FIELD] = {400, "invalid_field", "Invalid request"},
    [PROBLEM_IDEMPOTENCY_KEY_MISSING] = {400, "idempotency_key_missing", "Missing Idempotency-Key"},
    [PROBLEM_IDEMPOTENCY_KEY_INVALID] = {400, "idempotency_key_invalid", "Invalid Idempotency-Key"},
    [PROBLEM_IDEMPOTENCY_KEY_REUSED] = {422, "idempotency_key_reused", "Idempotency-Key reused"},
    [PROBLEM_IDEMPOTENCY_KEY_IN_USE] = {409, "idempotency_key_in_use", "Request in progress"},
    [PROBLEM_FORBIDDEN] = {403, "forbidden", "Forbidden"},
    [PROBLEM_PRODUCT_NOT_FOUND] = {404, "product_not_found", "Product not found"},
    [PROBLEM_INVENTORY_NOT_FOUND] = {404, "inventory_not_found", "Inventory not found"},
    [PROBLEM_CART_NOT_FOUND] = {404, "cart_not_found", "Cart not found"},
    [PROBLEM_CART_ITEM_NOT_FOUND] = {404, "cart_item_not_found", "Cart item not found"},
    [PROBLEM_ORDER_NOT_FOUND] = {404, "order_not_found", "Order not found"},
    [PROBLEM_SKU_EXISTS] = {409, "sku_exists", "SKU already exists"},
    [PROBLEM_CART_NOT_OWNED] = {403, "cart_not_owned", "Cart of another user"},
    [PROBLEM_CART_NOT_OPEN] = {400, "cart_not_open", "Cart is not open"},
    [PROBLEM_CART_EMPTY] = {400, "cart_empty", "Cart is empty"},
    [PROBLEM_INSUFFICIENT_STOCK] = {400, "insufficient_stock", "Insufficient stock"},
    [PROBLEM_TOTAL_TOO_LARGE] = {400, "total_too_large", "Total too large"},
    [PROBLEM_TOTAL_CHANGED] = {409, "total_changed", "Total changed"},
    [PROBLEM_ADMIN_REQUIRED] = {403, "admin_required", "Requires admin role"},
    [PROBLEM_ILLEGAL_TRANSITION] = {409, "illegal_transition", "Illegal transition"},
    [PROBLEM_NOTHING_TO_REFUND] = {409, "nothing_to_refund", "Nothing to refund"},
    [PROBLEM_REFUND_TOO_LARGE] = {409, "refund_too_large", "Refund too large"},
    [PROBLEM_RETURN_TOO_LARGE] = {409, "return_too_large", "Return too large"},
    [PROBLEM_STOCK_CHANGED] = {409, "stock_changed", "Stock changed"},
    [PROBLEM_STOCK_RESERVED] = {409, "stock_reserved", "Stock is reserved"},
    [PROBLEM_ORDER_ID_REUSED] = {422, "order_id_reused", "order_id reused"},
    [PROBLEM_DEAD_LETTER_NOT_FOUND] = {404, "dead_letter_not_found", "Dead letter not found"},
    [PROBLEM_DEAD_LETTER_CLOSED] = {409, "dead_letter_closed", "Dead letter is closed"},
};

Response success(int status, StringInfo body) {
    Response response = {.status = status, .body = body->data};

    return response;
}

/* problem_body prints the members of RFC 9457 and ours: code, message (Shop's clients), requestId. */
static char *problem_body(const ProblemDescription *description, const char *request_id, const char *members,
                          const char *message) {
    StringInfoData body;

    initStringInfo(&body);
    appendStringInfo(&body, "{\"type\":\"urn:pg-shop:problem:%s\",\"title\":\"%s\",\"status\":%d,\"detail\":",
                     description->code, description->title, description->status);
    escape_json(&body, message);
    appendStringInfo(&body, ",\"code\":\"%s\",\"message\":", description->code);
    escape_json(&body, message);
    if (request_id != NULL) {
        appendStringInfoString(&body, ",\"requestId\":");
        escape_json(&body, request_id);
    }
    appendStringInfo(&body, "%s}", members);
    return body.data;
}

/* format_message prints into memory of the right size. */
static char *format_message(const char *format, va_list arguments) pg_attribute_printf(1, 0);

static char *format_message(const char *format, va_list arguments) {
    va_list first;
    char short_text[256];
    int needed;

    va_copy(first, arguments);
    needed = vsnprintf(short_text, sizeof(short_text), format, first);
    va_end(first);
    if (needed >= (int)sizeof(short_text)) {
        char *long_text = palloc(needed + 1);

        vsnprintf(long_text, needed + 1, format, arguments);
        return long_text;
    }
    return pstrdup(short_text);
}

Response problem_with(ProblemKind kind, const char *request_id, const char *members, const char *format, ...) {
    const ProblemDescription *description = &problems[kind];
    Response response = {.status = description->status};
    va_list arguments;

    va_start(arguments, format);
    response.body = problem_body(description, request_id, members, format_message(format, arguments));
    va_end(arguments);
    return response;
}

Response problem(ProblemKind kind, const char *request_id, const char *format, ...) {
    va_list arguments;
    char *message;

    va_start(arguments, format);
    message = format_message(format, arguments);
    va_end(arguments);
    return problem_with(kind, request_id, "", "%s", message);
}

/* response_descriptor looks the row type up once per call site and keeps it there. */
static TupleDesc response_descriptor(FunctionCallInfo fcinfo) {
    if (fcinfo->flinfo->fn_extra == NULL) {
        MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
        TupleDesc descriptor;

        if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
            elog(ERROR, "function must return shop.response");
        fcinfo->flinfo->fn_extra = BlessTupleDesc(CreateTupleDescCopy(descriptor));
        MemoryContextSwitchTo(caller);
    }
    return fcinfo->flinfo->fn_extra;
}

Response undecided(void) {
    return (Response){.status = 0, .body = pstrdup("")};
}

void response_columns(const Response *response, Datum values[RESPONSE_COLUMNS], bool nulls[RESPONSE_COLUMNS]) {
    memset(nulls, 0, RESPONSE_COLUMNS * sizeof(bool));
    values[0] = Int32GetDatum(response->status);
    values[1] = CStringGetTextDatum(response->body);
    values[2] = BoolGetDatum(response->replayed);
    values[3] = Int64GetDatum(response->order_id);
    nulls[3] = response->order_id == 0;
    values[4] = Int32GetDatum(response->retry_after);
    nulls[4] = response->retry_after == 0;
    values[5] = response->location == NULL ? (Datum)0 : CStringGetTextDatum(response->location);
    nulls[5] = response->location == NULL;
}

Datum response_datum(FunctionCallInfo fcinfo, const Response *response) {
    Datum values[RESPONSE_COLUMNS];
    bool nulls[RESPONSE_COLUMNS];

    response_columns(response, values, nulls);
    return HeapTupleGetDatum(heap_form_tuple(response_descriptor(fcinfo), values, nulls));
}

/* problem_kind finds the kind of problem with this code; raises SH005 when there is none. */
static ProblemKind problem_kind(const char *code) {
    for (int kind = 0; code != NULL && kind < (int)lengthof(problems); kind++)
        if (strcmp(problems[kind].code, code) == 0)
            return (ProblemKind)kind;
    raise_invalid_argument("code", "It must be the code of a problem.");
}

PG_FUNCTION_INFO_V1(shop_problem);

/* shop.problem(code, message, request_id): problem() for functions in SQL */
Datum shop_problem(PG_FUNCTION_ARGS) {
    ProblemKind kind = problem_kind(argument_text(fcinfo, 0));
    const char *message = argument_text(fcinfo, 1);
    Response response;

    if (message == NULL)
        raise_invalid_argument("message", "It must say what is wrong.");
    response = problem(kind, argument_text(fcinfo, 2), "%s", message);
    return response_datum(fcinfo, &response);
}
