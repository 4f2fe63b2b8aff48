#include "problem.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#define TYPE_PREFIX "urn:pg-shop:problem:"

const char *problem_title(unsigned status) {
    const char *phrase = MHD_get_reason_phrase_for(status);

    return phrase != NULL && strcmp(phrase, "Unknown") != 0 ? phrase : "Error";
}

char *problem_body(unsigned status, const char *code, const char *message, const char *request_id, bool with_error) {
    const char *title = problem_title(status);
    json_t *problem =
        json_pack("{s:s+, s:s, s:i, s:s, s:s, s:s, s:s}", "type", TYPE_PREFIX, code, "title", title, "status",
                  (int)status, "detail", message, "code", code, "message", message, "requestId", request_id);
    char *text;

    if (problem != NULL && with_error) {
        json_object_set_new(problem, "error", json_string(title));
    }
    text = json_dumps(problem, JSON_COMPACT);
    json_decref(problem);
    return text;
}

char *problem_with_error(const char *body, unsigned status) {
    const char *rest;
    char *text;

    if (*body != '{') {
        return strdup(body);
    }
    rest = body + 1 + strspn(body + 1, " \t\r\n");
    if (asprintf(&text, "{\"error\":\"%s\"%s%s", problem_title(status), *rest == '}' ? "" : ",", rest) < 0) {
        return NULL;
    }
    return text;
}

bool problem_code(const char *body, char out[PROBLEM_CODE_SIZE]) {
    const char *code = strstr(body, "\"" TYPE_PREFIX);
    size_t length;

    if (code == NULL) {
        return false;
    }
    code += strlen("\"" TYPE_PREFIX);
    length = strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (length >= PROBLEM_CODE_SIZE) {
        length = PROBLEM_CODE_SIZE - 1;
    }
    memcpy(out, code, length);
    out[length] = '\0';
    return length > 0;
}
