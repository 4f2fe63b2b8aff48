/* Values of single headers: request id, traceparent, content type, origin, requested headers, and text in general. */
#include <strings.h>

#include "cors.h"
#include "fuzz.h"
#include "json_body.h"
#include "request_id.h"
#include "text.h"

#define ID_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

static void check_request_id(const char *text) {
    char id[REQUEST_ID_SIZE];

    request_id_choose(text, id);
    REQUIRE(id[0] != '\0' && strspn(id, ID_CHARACTERS) == strlen(id));
}

static void check_numbers(const char *text) {
    int64_t number;
    double real;

    if (text_to_int64(text, -1000, 1000, &number)) {
        REQUIRE(number >= -1000 && number <= 1000);
    }
    if (text_to_double(text, &real)) {
        REQUIRE(strspn(text, "0123456789.-") == strlen(text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    const char *allowed;

    check_request_id(text);
    check_numbers(text);
    if (traceparent_valid(text)) {
        REQUIRE(strlen(text) >= 55 && text[2] == '-');
    }
    if (json_content_type_accepted(text)) {
        REQUIRE(strlen(text) >= strlen("application/json"));
    }
    (void)cors_origins_valid(text);
    allowed = cors_allowed_origin("https://a.example,https://b.example", text);
    REQUIRE(allowed == NULL || strcasecmp(allowed, "https://a.example") == 0 ||
            strcasecmp(allowed, "https://b.example") == 0);
    REQUIRE(strpbrk(cors_request_headers(text), "\r\n") == NULL);
    text_replace_bad_utf8(text, size);
    REQUIRE(text_is_utf8(text, size));
    free(text);
    return 0;
}
