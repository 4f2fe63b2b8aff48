#include "database_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

struct database_call *database_call_create(const struct database_statement *statement, const char *const *values) {
    size_t count = (size_t)statement->parameter_count;
    struct database_call *call = calloc(1, sizeof(*call) + texts_size(values, count));

    if (call != NULL) {
        call->statement = statement;
        texts_copy(call->values, values, count);
    }
    return call;
}

void database_call_free(struct database_call *call) {
    if (call != NULL) {
        PQclear(call->result);
        free(call);
    }
}

void database_call_set_message(char out[DATABASE_MESSAGE_SIZE], const char *text) {
    snprintf(out, DATABASE_MESSAGE_SIZE, "%s", text != NULL ? text : "");
    out[strcspn(out, "\n")] = '\0';
    text_replace_bad_utf8(out, strlen(out));
}

void database_call_clear_result(struct database_call *call) {
    PQclear(call->result);
    call->result = NULL;
    call->sqlstate[0] = '\0';
    call->message[0] = '\0';
}

void database_call_list_append(struct database_call_list *list, struct database_call *call) {
    call->next = NULL;
    if (list->last != NULL) {
        list->last->next = call;
    } else {
        list->first = call;
    }
    list->last = call;
    list->count++;
}

void database_call_list_prepend(struct database_call_list *list, struct database_call *call) {
    call->next = list->first;
    list->first = call;
    if (list->last == NULL) {
        list->last = call;
    }
    list->count++;
}

void database_call_list_remove(struct database_call_list *list, struct database_call *call) {
    struct database_call *before = NULL;
    struct database_call *cursor = list->first;

    while (cursor != NULL && cursor != call) {
        before = cursor;
        cursor = cursor->next;
    }
    if (cursor == NULL) {
        return;
    }
    if (before != NULL) {
        before->next = call->next;
    } else {
        list->first = call->next;
    }
    if (list->last == call) {
        list->last = before;
    }
    call->next = NULL;
    list->count--;
}
