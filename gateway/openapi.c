#include "openapi.h"

#include "content.h"
#include "embedded.h"
#include "request.h"

void openapi_handle(struct request *request) {
    const struct content content = {"application/json; charset=utf-8", embedded_openapi_etag};
    size_t size = (size_t)embedded_openapi_size;

    /* The library only reads what it is told to be persistent. */
    content_answer(request, &content,
                   MHD_create_response_from_buffer(size, (void *)embedded_openapi, MHD_RESPMEM_PERSISTENT), size);
    request_answered(request);
}
