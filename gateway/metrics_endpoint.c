#include "metrics_endpoint.h"

#include "authentication.h"
#include "errmap.h"
#include "metrics.h"
#include "request.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

void metrics_handle(struct request *request) {
    const char *token = request->gateway->configuration.metrics_token;

    if (token == NULL && !request->for_metrics) {
        request_answer_problem(request, MHD_HTTP_NOT_FOUND, "not_found", "Not found", NO_RETRY);
    } else if (token != NULL && !authentication_is_bearer(request_header(request, "Authorization"), token)) {
        authentication_challenge(request, request_header(request, "Authorization") != NULL);
    } else {
        request_answer_text(request, MHD_HTTP_OK, METRICS_TYPE, metrics_text(request->gateway));
    }
    request_answered(request);
}
