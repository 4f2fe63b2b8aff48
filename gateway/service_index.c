#include "service_index.h"

#include <jansson.h>

#include "request.h"
#include "version.h"

/* endpoints lists the route table. */
static json_t *endpoints(void) {
    size_t count, i;
    const struct route *routes = routes_all(&count);
    json_t *list = json_array();

    for (i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("{s:s,s:s}", "method", routes[i].method, "path", routes[i].path));
    }
    return list;
}

void service_index_handle(struct request *request) {
    json_t *body = json_pack("{s:s,s:s,s:s,s:o}", "service", "pg_shop", "version", PG_SHOP_VERSION, "status", "running",
                             "endpoints", endpoints());

    request_answer_json(request, MHD_HTTP_OK, json_dumps(body, JSON_COMPACT));
    json_decref(body);
    request_answered(request);
}
