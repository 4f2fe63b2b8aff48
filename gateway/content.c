#include "content.h"

#include <string.h>

#include "errmap.h"
#include "request.h"

/* holds_tag looks for a tag in the list of an If-None-Match header; a weak tag (W/"…") counts as the tag itself. */
static bool holds_tag(const char *list, const char *tag) {
    size_t length = strlen(tag);
    const char *found;

    if (strcmp(list, "*") == 0) {
        return true;
    }
    for (found = strstr(list, tag); found != NULL; found = strstr(found + length, tag)) {
        if (found[length] == '\0' || found[length] == ',' || found[length] == ' ') {
            return true;
        }
    }
    return false;
}

static bool is_known(const struct request *request, const char *etag) {
    const char *list = request_header(request, "If-None-Match");

    return etag != NULL && list != NULL && holds_tag(list, etag);
}

static void add_header(struct MHD_Response *response, const char *name, const char *value) {
    (void)MHD_add_response_header(response, name, value);
}

void content_answer(struct request *request, const struct content *content, struct MHD_Response *bytes, size_t size) {
    content_answer_under_policy(request, content, CONTENT_SECURITY_POLICY, bytes, size);
}

void content_answer_under_policy(struct request *request, const struct content *content, const char *policy,
                                 struct MHD_Response *bytes, size_t size) {
    unsigned status = MHD_HTTP_OK;

    if (bytes != NULL && is_known(request, content->etag)) {
        MHD_destroy_response(bytes);
        bytes = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        status = MHD_HTTP_NOT_MODIFIED;
        size = 0;
    }
    if (bytes == NULL) {
        request_answer_problem(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal_error", "Internal server error",
                               NO_RETRY);
        return;
    }
    if (status == MHD_HTTP_OK) {
        add_header(bytes, "Content-Type", content->type);
    }
    if (content->etag != NULL) {
        add_header(bytes, "ETag", content->etag);
    }
    add_header(bytes, "Cache-Control", "no-cache");
    add_header(bytes, "Content-Security-Policy", policy);
    add_header(bytes, "Referrer-Policy", "no-referrer");
    add_header(bytes, "X-Content-Type-Options", "nosniff");
    reply_clear(&request->reply);
    request->reply.status = status;
    request->reply.retry_after = NO_RETRY;
    request->reply.prepared = bytes;
    request->reply.prepared_size = size;
}
