/*
 * Answers that are no JSON of the database: documents, pages and files. They may be kept by browsers, who ask each time
 * whether they are still the newest.
 */
#ifndef SHOP_GATEWAY_CONTENT_H
#define SHOP_GATEWAY_CONTENT_H

#include <stddef.h>

struct MHD_Response;
struct request;

/* The pages' rules for browsers: nothing from elsewhere, no scripts within the page. Swagger UI sets styles inline and
 * has images in its style sheet. */
#define CONTENT_SECURITY_POLICY                                                                                        \
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action "        \
    "'self'; "                                                                                                         \
    "frame-ancestors 'none'"

struct content {
    const char *type; /* Content-Type */
    const char *etag; /* with its quotes; NULL: none */
};

/*
 * content_answer answers 200 with the bytes of a response made by the HTTP library, which the request takes over (NULL,
 * for lack of memory: 500); or 304 where If-None-Match names the entity tag (RFC 9110 section 13.1.2). size: of the
 * bytes. Texts are copied.
 */
void content_answer(struct request *request, const struct content *content, struct MHD_Response *bytes, size_t size);

/* content_answer_under_policy does the same with another Content-Security-Policy. */
void content_answer_under_policy(struct request *request, const struct content *content, const char *policy,
                                 struct MHD_Response *bytes, size_t size);

#endif
