#include "docs.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "content.h"
#include "embedded.h"
#include "errmap.h"
#include "request.h"

#define HTML_TYPE   "text/html; charset=utf-8"
#define SCRIPT_TYPE "text/javascript; charset=utf-8"
#define SCRIPT_NAME "docs.js"

/* What Swagger UI needs of its package swagger-ui-dist; nothing else is served. */
static const struct docs_file {
    const char *name;
    const char *type;
} swagger_files[] = {
    {"swagger-ui-bundle.js", SCRIPT_TYPE},
    {"swagger-ui.css", "text/css; charset=utf-8"},
    {"favicon-16x16.png", "image/png"},
    {"favicon-32x32.png", "image/png"},
};

#define SWAGGER_FILE_COUNT (sizeof(swagger_files) / sizeof(swagger_files[0]))

static const char swagger_page[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>pg_shop API</title>\n"
    "<link rel=\"icon\" type=\"image/png\" sizes=\"32x32\" href=\"/docs/favicon-32x32.png\">\n"
    "<link rel=\"icon\" type=\"image/png\" sizes=\"16x16\" href=\"/docs/favicon-16x16.png\">\n"
    "<link rel=\"stylesheet\" href=\"/docs/swagger-ui.css\">\n"
    "<script src=\"/docs/swagger-ui-bundle.js\" defer></script>\n"
    "<script src=\"/docs/" SCRIPT_NAME "\" defer></script>\n"
    "</head>\n"
    "<body>\n"
    "<div id=\"swagger-ui\"></div>\n"
    "<noscript>This page needs JavaScript; the document itself is <a "
    "href=\"/openapi.json\">openapi.json</a>.</noscript>\n"
    "</body>\n"
    "</html>\n";

/* open_file opens a file of DOCS_DIR for reading, links left aside. Returns the descriptor, or -1. */
static int open_file(const struct request *request, const char *name, struct stat *status) {
    char path[4096];
    int written = snprintf(path, sizeof(path), "%s/%s", request->gateway->configuration.docs_dir, name);
    int file;

    if (written < 0 || (size_t)written >= sizeof(path)) {
        return -1;
    }
    file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file >= 0 && (fstat(file, status) != 0 || !S_ISREG(status->st_mode))) {
        close(file);
        return -1;
    }
    return file;
}

/* swagger_installed tells whether the files without which the page would stay empty are there. */
static bool swagger_installed(const struct request *request) {
    size_t i;

    for (i = 0; i < 2; i++) {
        struct stat status;
        int file = open_file(request, swagger_files[i].name, &status);

        if (file < 0) {
            return false;
        }
        close(file);
    }
    return true;
}

/* print_escaped writes text into a page (HTML, "Serializing HTML fragments"). */
static void print_escaped(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

/* print_operations writes a row per operation of a path; its other members are no objects. */
static void print_operations(FILE *out, const char *path, json_t *item) {
    const char *method;
    json_t *operation;

    json_object_foreach(item, method, operation) {
        const char *summary = json_string_value(json_object_get(operation, "summary"));
        size_t i;

        if (!json_is_object(operation)) {
            continue;
        }
        fputs("<tr><td>", out);
        for (i = 0; method[i] != '\0'; i++) {
            fputc(method[i] >= 'a' && method[i] <= 'z' ? method[i] - 'a' + 'A' : method[i], out);
        }
        fputs("</td><td><code>", out);
        print_escaped(out, path);
        fputs("</code></td><td>", out);
        print_escaped(out, summary != NULL ? summary : "");
        fputs("</td></tr>\n", out);
    }
}

/* plain_page lists the document's operations. Returns a malloc'd text and its size, or NULL when memory is short. */
static char *plain_page(size_t *size) {
    json_t *document = json_loadb(embedded_openapi, (size_t)embedded_openapi_size, 0, NULL);
    char *page = NULL;
    FILE *out = open_memstream(&page, size);
    const char *path;
    json_t *item;

    if (document == NULL || out == NULL) {
        if (out != NULL) {
            fclose(out);
            free(page);
        }
        json_decref(document);
        return NULL;
    }
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>pg_shop API</title>\n</head>\n"
          "<body>\n<h1>pg_shop API</h1>\n<p>The whole description, for programs: "
          "<a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\n<table>\n"
          "<tr><th>Method</th><th>Path</th><th>What it does</th></tr>\n",
          out);
    json_object_foreach(json_object_get(document, "paths"), path, item) {
        print_operations(out, path, item);
    }
    fputs("</table>\n</body>\n</html>\n", out);
    json_decref(document);
    if (fclose(out) != 0) {
        free(page);
        return NULL;
    }
    return page;
}

void docs_handle(struct request *request) {
    const struct content content = {HTML_TYPE, NULL};
    struct MHD_Response *response;
    size_t size = sizeof(swagger_page) - 1;

    if (swagger_installed(request)) {
        response = MHD_create_response_from_buffer(size, (void *)swagger_page, MHD_RESPMEM_PERSISTENT);
    } else {
        char *page = plain_page(&size);

        response = page != NULL ? MHD_create_response_from_buffer(size, page, MHD_RESPMEM_MUST_FREE) : NULL;
        if (response == NULL) {
            free(page);
        }
    }
    content_answer(request, &content, response, size);
    request_answered(request);
}

static void answer_not_found(struct request *request) {
    request_answer_problem(request, MHD_HTTP_NOT_FOUND, "not_found", "Not found", NO_RETRY);
}

static void answer_script(struct request *request) {
    const struct content content = {SCRIPT_TYPE, NULL};
    size_t size = (size_t)embedded_docs_script_size;

    content_answer(request, &content,
                   MHD_create_response_from_buffer(size, (void *)embedded_docs_script, MHD_RESPMEM_PERSISTENT), size);
}

/* answer_file hands an open file to the library, which reads and closes it. */
static void answer_file(struct request *request, const struct docs_file *file, int descriptor,
                        const struct stat *status) {
    struct MHD_Response *response = MHD_create_response_from_fd((uint64_t)status->st_size, descriptor);
    struct content content = {file->type, NULL};
    char etag[64];

    if (response == NULL) {
        close(descriptor);
    }
    snprintf(etag, sizeof(etag), "\"%llx-%llx-%lx\"", (unsigned long long)status->st_size,
             (unsigned long long)status->st_mtim.tv_sec, (unsigned long)status->st_mtim.tv_nsec);
    content.etag = etag;
    content_answer(request, &content, response, (size_t)status->st_size);
}

/* answer_swagger_file answers when the name is one of Swagger UI's files and it is installed; else it returns false. */
static bool answer_swagger_file(struct request *request, const char *name) {
    size_t i;

    for (i = 0; i < SWAGGER_FILE_COUNT; i++) {
        struct stat status;
        int descriptor;

        if (strcmp(name, swagger_files[i].name) != 0) {
            continue;
        }
        descriptor = open_file(request, swagger_files[i].name, &status);
        if (descriptor >= 0) {
            answer_file(request, &swagger_files[i], descriptor, &status);
        }
        return descriptor >= 0;
    }
    return false;
}

void docs_file_handle(struct request *request) {
    const char *name = request->sources.path_values[0].value;

    if (strcmp(name, SCRIPT_NAME) == 0) {
        answer_script(request);
    } else if (!answer_swagger_file(request, name)) {
        answer_not_found(request);
    }
    request_answered(request);
}
