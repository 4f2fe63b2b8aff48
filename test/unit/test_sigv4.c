/* The signer against the signatures that AWS publishes, and against two that botocore made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sigv4.h"

#define KEY_ID "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TIME   "20150830T123600Z"
#define TOKEN                                                                                                          \
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuw"  \
    "thAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNV" \
    "XAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=" \
    "="

struct vector {
    const char *method, *path, *query, *body;
    struct sigv4_header headers[6]; /* in the order of sending; the first one without a name ends them */
    const char *signed_headers, *signature;
};

/* From the "AWS Signature Version 4 test suite": service "service", region us-east-1. */
static const struct vector suite[] = {
    {"GET",
     "/",
     "",
     "",
     {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", TIME}},
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"GET",
     "/",
     "Param1=value1&Param2=value2",
     "",
     {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", TIME}},
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"GET",
     "/example%20space/",
     "",
     "",
     {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", TIME}},
     "host;x-amz-date",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"GET",
     "/",
     "",
     "",
     {{"Host", "example.amazonaws.com"},
      {"My-Header1", " value1"},
      {"My-Header2", " \"a   b   c\""},
      {"X-Amz-Date", TIME}},
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"POST",
     "/",
     "",
     "",
     {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", TIME}},
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"POST",
     "/",
     "",
     "",
     {{"X-Amz-Date", TIME}, {"My-Header1", "value1"}, {"Host", "example.amazonaws.com"}},
     "host;my-header1;x-amz-date",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"POST",
     "/",
     "",
     "",
     {{"Host", "example.amazonaws.com"}, {"My-Header1", "VALUE1"}, {"X-Amz-Date", TIME}},
     "host;my-header1;x-amz-date",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"POST",
     "/",
     "",
     "",
     {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", TIME}, {"X-Amz-Security-Token", TOKEN}},
     "host;x-amz-date;x-amz-security-token",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
    {"POST",
     "/",
     "",
     "Param1=value1",
     {{"Content-Type", "application/x-www-form-urlencoded"}, {"Host", "example.amazonaws.com"}, {"X-Amz-Date", TIME}},
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"POST",
     "/",
     "",
     "Param1=value1",
     {{"Content-Type", "application/x-www-form-urlencoded; charset=utf8"},
      {"Host", "example.amazonaws.com"},
      {"X-Amz-Date", TIME}},
     "content-type;host;x-amz-date",
     "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
};

static size_t count_headers(const struct sigv4_header *headers) {
    size_t count = 0;

    while (headers[count].name != NULL) {
        count++;
    }
    return count;
}

static struct sigv4_request request_of(const struct vector *vector) {
    return (struct sigv4_request){
        .access_key_id = KEY_ID,
        .secret_access_key = SECRET,
        .region = "us-east-1",
        .service = "service",
        .timestamp = TIME,
        .method = vector->method,
        .path = vector->path,
        .query = vector->query,
        .headers = vector->headers,
        .header_count = count_headers(vector->headers),
        .body = vector->body,
        .body_length = strlen(vector->body),
    };
}

/* assert_signature compares the whole header value. */
static void assert_signature(const struct sigv4_request *request, const char *scope, const char *signed_headers,
                             const char *signature) {
    char expected[1024];
    char *authorization = sigv4_authorization(request);

    snprintf(expected, sizeof(expected),
             "AWS4-HMAC-SHA256 Credential=" KEY_ID "/%s/aws4_request, SignedHeaders=%s, Signature=%s", scope,
             signed_headers, signature);
    assert_non_null(authorization);
    assert_string_equal(authorization, expected);
    free(authorization);
}

static void signs_as_the_published_suite(void **state) {
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(suite) / sizeof(suite[0]); i++) {
        struct sigv4_request request = request_of(&suite[i]);

        assert_signature(&request, "20150830/us-east-1/service", suite[i].signed_headers, suite[i].signature);
    }
}

/* The worked example of the IAM User Guide: ListUsers. */
static void signs_as_the_user_guide(void **state) {
    const struct sigv4_header headers[] = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
                                           {"Host", "iam.amazonaws.com"},
                                           {"X-Amz-Date", TIME}};
    struct sigv4_request request = request_of(&suite[0]);

    (void)state;
    request.service = "iam";
    request.query = "Action=ListUsers&Version=2010-05-08";
    request.headers = headers;
    request.header_count = 3;
    assert_signature(&request, "20150830/us-east-1/iam", "content-type;host;x-amz-date",
                     "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

/* Requests of the shape that we send, signed by botocore 1.29.27 and 1.43.11 alike. */
static void signs_as_botocore(void **state) {
    struct sigv4_header headers[] = {{"Content-Type", "application/x-amz-json-1.0"},
                                     {"Host", "sqs.eu-central-1.amazonaws.com"},
                                     {"X-Amz-Date", "20240229T235959Z"},
                                     {"X-Amz-Target", "AmazonSQS.ReceiveMessage"},
                                     {"X-Amz-Security-Token", "FwoGZXIvYXdzEBYaD+token/with=signs=="}};
    struct sigv4_request request = request_of(&suite[4]);

    (void)state;
    request.service = "sqs";
    request.region = "eu-central-1";
    request.timestamp = "20240229T235959Z";
    request.headers = headers;
    request.header_count = 4;
    request.body = "{\"QueueUrl\":\"https://sqs.eu-central-1.amazonaws.com/1/q\"}";
    request.body_length = strlen(request.body);
    assert_signature(&request, "20240229/eu-central-1/sqs", "content-type;host;x-amz-date;x-amz-target",
                     "e6bd2c52a7914e1f5f756f1fa87c266886b7998dd8e54716e60315d9a80348f6");

    headers[1].value = "127.0.0.1:4566";
    headers[2].value = request.timestamp = "20240301T000000Z";
    request.region = "us-east-1";
    request.header_count = 5;
    request.body = "{}";
    request.body_length = 2;
    assert_signature(&request, "20240301/us-east-1/sqs",
                     "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
                     "12c63633e05baa96b7a8fdfec2c7795a2fc0cdcfee6f0acba0e750f07cd9bbc7");
}

static void refuses_what_it_cannot_sign(void **state) {
    const struct sigv4_header twice[] = {{"Host", "a"}, {"host", "b"}};
    struct sigv4_header many[SIGV4_MAXIMUM_HEADERS + 1];
    struct sigv4_request request = request_of(&suite[0]);
    size_t i;

    (void)state;
    request.headers = twice;
    request.header_count = 2;
    assert_null(sigv4_authorization(&request));

    for (i = 0; i < SIGV4_MAXIMUM_HEADERS + 1; i++) {
        many[i] = (struct sigv4_header){"x", "y"};
    }
    request.headers = many;
    request.header_count = SIGV4_MAXIMUM_HEADERS + 1;
    assert_null(sigv4_authorization(&request));
    request.header_count = 0;
    assert_null(sigv4_authorization(&request));

    request = request_of(&suite[0]);
    request.timestamp = "20150830";
    assert_null(sigv4_authorization(&request));
    request = request_of(&suite[0]);
    request.path = "";
    assert_null(sigv4_authorization(&request));
    request = request_of(&suite[0]);
    request.secret_access_key = NULL;
    assert_null(sigv4_authorization(&request));
}

static void writes_timestamps(void **state) {
    char text[SIGV4_TIMESTAMP_SIZE];

    (void)state;
    sigv4_timestamp(1440938160, text);
    assert_string_equal(text, "20150830T123600Z");
    sigv4_timestamp(951782399, text);
    assert_string_equal(text, "20000228T235959Z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_the_published_suite),
        cmocka_unit_test(signs_as_the_user_guide),
        cmocka_unit_test(signs_as_botocore),
        cmocka_unit_test(refuses_what_it_cannot_sign),
        cmocka_unit_test(writes_timestamps),
    };

    return cmocka_run_group_tests_name("sigv4", tests, NULL, NULL);
}
