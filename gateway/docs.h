/*
 * GET /docs: the OpenAPI document as a page. With Swagger UI where its files are installed, else a plain list.
 */
#ifndef SHOP_GATEWAY_DOCS_H
#define SHOP_GATEWAY_DOCS_H

/* Where Swagger UI's files are looked for unless DOCS_DIR says otherwise; the build sets it by PREFIX. */
#ifndef PG_SHOP_DOCS_DIR
#define PG_SHOP_DOCS_DIR "/usr/local/share/pg_shop/swagger-ui"
#endif

struct request;

/* docs_handle answers 200 with the page: Swagger UI, or a list of the document's operations where DOCS_DIR lacks it. */
void docs_handle(struct request *request);

/*
 * docs_file_handle answers with one of the page's files, 304 to a client that has it, or 404. Only names of a fixed
 * list are ever looked for, and no symbolic link is followed.
 */
void docs_file_handle(struct request *request);

#endif
