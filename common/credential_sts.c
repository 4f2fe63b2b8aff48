/*
 * Credentials of a role from STS: for a web identity, and for whoever has other credentials.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "aws_request.h"
#include "credential_sources.h"

/* Time limit and tries as the AWS SDKs have them. */
#define TIMEOUT_MS 10000
#define TRIES      3

#define DEFAULT_SESSION_NAME "pg-shop"

/* element_text copies the text of an element of STS's answer, whose values hold no markup; NULL when it is not there.
 */
static char *element_text(const char *xml, const char *name) {
    char *opening = memory_format("<%s>", name);
    const char *start = strstr(xml, opening), *end;
    char *text = NULL;

    if (start != NULL) {
        start += strlen(opening);
        end = strchr(start, '<');
        text = end != NULL ? strndup(start, (size_t)(end - start)) : NULL;
    }
    free(opening);
    return text;
}

static bool read_answer(const char *xml, struct aws_credentials *found) {
    char *expiration = element_text(xml, "Expiration");
    struct tm parts = {0};

    found->access_key_id = element_text(xml, "AccessKeyId");
    found->secret_access_key = element_text(xml, "SecretAccessKey");
    found->session_token = element_text(xml, "SessionToken");
    if (expiration != NULL && strptime(expiration, "%Y-%m-%dT%H:%M:%S", &parts) != NULL) {
        found->expires_at = timegm(&parts);
    }
    free(expiration);
    return aws_credentials_usable(found);
}

/* add_field lengthens a form by one field; NULL values are left out. */
static char *add_field(char *form, const char *name, const char *value) {
    char *escaped, *longer;

    if (value == NULL) {
        return form;
    }
    escaped = curl_easy_escape(NULL, value, 0);
    if (escaped == NULL) {
        abort(); /* no memory: see allocation.h */
    }
    longer = memory_format("%s&%s=%s", form, name, escaped);
    memory_wipe(form);
    memset(escaped, 0, strlen(escaped));
    curl_free(escaped);
    return longer;
}

/* role_form begins the form of an action (AWS STS API Reference). */
static char *role_form(const char *action, const struct credential_settings *settings) {
    const char *session = settings->role_session_name != NULL ? settings->role_session_name : DEFAULT_SESSION_NAME;
    char *form = memory_format("Action=%s&Version=2011-06-15", action);

    form = add_field(form, "RoleArn", settings->role_arn);
    return add_field(form, "RoleSessionName", session);
}

static char *endpoint_url(const struct credential_settings *settings) {
    if (settings->sts_endpoint_url != NULL) {
        return memory_duplicate(settings->sts_endpoint_url);
    }
    return memory_format("https://sts.%s.amazonaws.com%s/", settings->region,
                         strncmp(settings->region, "cn-", 3) == 0 ? ".cn" : "");
}

/* judge reads an answer, whose body it wipes. */
static enum credential_search judge(struct blocking_answer *answer, const char *url, struct aws_credentials *found,
                                    char *error, size_t error_size) {
    bool usable = answer->status == 200 && read_answer(answer->body, found);
    char *code = usable ? NULL : element_text(answer->body, "Code");

    if (answer->status != 200) {
        snprintf(error, error_size, "%s answers with status %ld%s%.100s", url, answer->status, code != NULL ? ": " : "",
                 code != NULL ? code : "");
    } else if (!usable) {
        snprintf(error, error_size, "the answer of %s holds no credentials", url);
    }
    free(code);
    memory_wipe(answer->body);
    return usable ? CREDENTIALS_FOUND : CREDENTIALS_BROKEN;
}

/* ask_for_identity makes the request of AssumeRoleWithWebIdentity, which is not signed. */
static enum credential_search ask_for_identity(const struct credential_settings *settings, const char *token,
                                               struct aws_credentials *found, char *error, size_t error_size) {
    enum credential_search result = CREDENTIALS_BROKEN;
    char *url = endpoint_url(settings);
    char *form = add_field(role_form("AssumeRoleWithWebIdentity", settings), "WebIdentityToken", token);
    struct blocking_request request = {
        .method = "POST", .url = url, .body = form, .timeout_ms = TIMEOUT_MS, .tries = TRIES};
    struct blocking_answer answer;

    if (blocking_http_exchange(&request, &answer, error, error_size)) {
        result = judge(&answer, url, found, error, error_size);
    }
    memory_wipe(form);
    free(url);
    return result;
}

enum credential_search credential_web_identity(const struct credential_settings *settings,
                                               struct aws_credentials *found, char *error, size_t error_size) {
    enum credential_search result;
    char *token;

    if (settings->web_identity_token_file == NULL) {
        return CREDENTIALS_ABSENT;
    }
    if (settings->role_arn == NULL) {
        snprintf(error, error_size, "there is a web identity token file, but no role (AWS_ROLE_ARN)");
        return CREDENTIALS_BROKEN;
    }
    token = credential_text_read(settings->web_identity_token_file); /* each time: it is replaced now and then */
    if (token == NULL) {
        snprintf(error, error_size, "cannot read %s: %s", settings->web_identity_token_file, strerror(errno));
        return CREDENTIALS_BROKEN;
    }
    result = ask_for_identity(settings, token, found, error, error_size);
    memory_wipe(token);
    return result;
}

enum credential_search credential_assumed_role(const struct credential_settings *settings,
                                               const struct credential_role *role, const struct aws_credentials *source,
                                               struct aws_credentials *found, char *error, size_t error_size) {
    struct credential_settings named = *settings;
    enum credential_search result = CREDENTIALS_BROKEN;
    char *url = endpoint_url(settings), *form;
    struct aws_request request = {.credentials = source,
                                  .endpoint_url = url,
                                  .service = "sts",
                                  .region = settings->region,
                                  .content_type = "application/x-www-form-urlencoded",
                                  .timeout_ms = TIMEOUT_MS,
                                  .tries = TRIES};
    struct blocking_answer answer;

    named.role_arn = role->arn;
    named.role_session_name = role->session_name;
    form = add_field(role_form("AssumeRole", &named), "ExternalId", role->external_id);
    form = add_field(form, "DurationSeconds", role->duration_seconds);
    request.body = form;
    if (aws_request_send(&request, &answer, error, error_size)) {
        result = judge(&answer, url, found, error, error_size);
    }
    free(form);
    free(url);
    return result;
}
