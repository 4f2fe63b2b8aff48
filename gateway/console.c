#include "console.h"

#include <stdint.h>
#include <string.h>

#include "content.h"
#include "errmap.h"
#include "request.h"

#define HTML   "text/html; charset=utf-8"
#define STYLE  "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define IMAGE  "image/svg+xml"

/* Stricter than that of other pages: no styles within the page either. */
#define CONSOLE_SECURITY_POLICY "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

/* What console_files.S puts into the program. */
#define CONSOLE_FILE(symbol, name, type)                                                                               \
    extern const char console_bytes_##symbol[];                                                                        \
    extern const char console_etag_##symbol[];                                                                         \
    extern const uint64_t console_size_##symbol;
#include "console_files.def"
#undef CONSOLE_FILE

static const struct console_file {
    const char *name;
    const char *type;
    const char *bytes;
    const uint64_t *size;
    const char *etag;
} files[] = {
#define CONSOLE_FILE(symbol, name, type)                                                                               \
    {name, type, console_bytes_##symbol, &console_size_##symbol, console_etag_##symbol},
#include "console_files.def"
#undef CONSOLE_FILE
};

#define FILE_COUNT (sizeof(files) / sizeof(files[0]))

static void answer_file(struct request *request, const struct console_file *file) {
    const struct content content = {file->type, file->etag};
    size_t size = (size_t)*file->size;

    /* The library only reads what it is told to be persistent. */
    content_answer_under_policy(request, &content, CONSOLE_SECURITY_POLICY,
                                MHD_create_response_from_buffer(size, (void *)file->bytes, MHD_RESPMEM_PERSISTENT),
                                size);
}

static void redirect_to_page(struct request *request) {
    request->reply.status = MHD_HTTP_PERMANENT_REDIRECT;
    request->reply.retry_after = NO_RETRY;
    request->reply.location = strdup("console/");
}

void console_handle(struct request *request) {
    const char *path = request->target.path;

    if (path[strlen(path) - 1] == '/') {
        answer_file(request, &files[0]);
    } else {
        redirect_to_page(request);
    }
    request_answered(request);
}

void console_file_handle(struct request *request) {
    const char *name = request->sources.path_values[0].value;
    size_t i;

    for (i = 1; i < FILE_COUNT; i++) {
        if (strcmp(name, files[i].name) == 0) {
            answer_file(request, &files[i]);
            request_answered(request);
            return;
        }
    }
    request_answer_problem(request, MHD_HTTP_NOT_FOUND, "not_found", "Not found", NO_RETRY);
    request_answered(request);
}
