#include "problem.h"

#include <jansson.h>
#include <microhttpd.h>
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
