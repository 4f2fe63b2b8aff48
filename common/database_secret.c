#include "database_secret.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"
#include "aws_request.h"
#include "text.h"

/* Together shorter than what an attempt to connect may take. */
#define TIMEOUT_MS 2000
#define TRIES      2

#define REGION_SIZE 65

void database_secret_wipe(struct database_secret *secret) {
    memory_wipe(secret->username);
    memory_wipe(secret->password);
    memory_wipe(secret->host);
    memory_wipe(secret->port);
    memory_wipe(secret->dbname);
    *secret = (struct database_secret){0};
}

/* region_of gives the region that an ARN names ("arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME"), else the other
 * one. */
static const char *region_of(const struct database_secret_settings *settings, char out[REGION_SIZE]) {
    const char *part = settings->secret_id;
    size_t length;
    int colons;

    if (strncmp(part, "arn:", 4) != 0) {
        return settings->region;
    }
    for (colons = 0; part != NULL && colons < 3; colons++) {
        part = strchr(part, ':');
        part = part != NULL ? part + 1 : NULL;
    }
    length = part != NULL ? strspn(part, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;
    if (length == 0 || length >= REGION_SIZE || part[length] != ':') {
        return settings->region;
    }
    snprintf(out, REGION_SIZE, "%.*s", (int)length, part);
    return out;
}

/* text_member copies a member that is a text, or a number as RDS writes ports. Empty counts as not there. */
static char *text_member(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);

    if (json_is_integer(value)) {
        return memory_format("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    }
    return json_string_length(value) > 0 ? memory_duplicate(json_string_value(value)) : NULL;
}

/* read_object takes the secret's text apart. */
static bool read_object(const char *text, struct database_secret *secret, char *error, size_t error_size) {
    json_t *object = text != NULL ? json_loads(text, 0, NULL) : NULL;
    int64_t port;

    *secret = (struct database_secret){
        .username = text_member(object, "username"),
        .password = text_member(object, "password"),
        .host = text_member(object, "host"),
        .port = text_member(object, "port"),
        .dbname = text_member(object, "dbname"),
    };
    json_decref(object);
    if (secret->username != NULL && secret->password != NULL &&
        (secret->port == NULL || text_to_int64(secret->port, 1, 65535, &port))) {
        return true;
    }
    snprintf(error, error_size,
             "the secret of DB_SECRET_ARN is no JSON text with username, password and, if any, host, "
             "port and dbname");
    database_secret_wipe(secret);
    return false;
}

/* read_answer judges what Secrets Manager said. Its errors name their kind in "__type", which may be told. */
static bool read_answer(const struct blocking_answer *answer, struct database_secret *secret, char *error,
                        size_t error_size) {
    json_t *body = json_loads(answer->body, 0, NULL);
    const char *kind = json_string_value(json_object_get(body, "__type"));
    bool done = false;

    if (answer->status == 200) {
        done = read_object(json_string_value(json_object_get(body, "SecretString")), secret, error, error_size);
    } else {
        snprintf(error, error_size, "Secrets Manager answers with status %ld%s%.100s", answer->status,
                 kind != NULL ? ": " : "", kind != NULL ? kind : "");
    }
    json_decref(body);
    return done;
}

bool database_secret_read(const struct database_secret_settings *settings, struct database_secret *secret, char *error,
                          size_t error_size) {
    char region[REGION_SIZE], *body;
    json_t *question = json_pack("{s:s}", "SecretId", settings->secret_id);
    struct aws_credentials credentials = {0};
    struct aws_request request = {.credentials = &credentials,
                                  .endpoint_url = settings->endpoint_url,
                                  .service = "secretsmanager",
                                  .region = region_of(settings, region),
                                  .content_type = "application/x-amz-json-1.1",
                                  .target = "secretsmanager.GetSecretValue",
                                  .timeout_ms = TIMEOUT_MS,
                                  .tries = TRIES};
    struct blocking_answer answer;
    bool done = false;

    request.body = body = json_dumps(question, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(question);
    if (body == NULL) {
        snprintf(error, error_size, "DB_SECRET_ARN is no UTF-8 text");
        return false;
    }
    if (credential_sources_search(settings->credentials, &credentials, error, error_size) &&
        aws_request_send(&request, &answer, error, error_size)) {
        done = read_answer(&answer, secret, error, error_size);
        memory_wipe(answer.body);
    }
    aws_credentials_wipe(&credentials);
    memory_wipe(body);
    return done;
}
