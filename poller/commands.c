#include "commands.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "blocking_http.h"
#include "database_calls.h"
#include "text.h"

/* Dead letters that are asked for at once. */
#define PAGE "1000"

#define READY_TIMEOUT_MS        3000
#define CONNECT_TIMEOUT_SECONDS "5" /* of each host */

static PGconn *connect_database(const struct poller_configuration *configuration) {
    char error[1024];
    unsigned version;
    char *conninfo = database_login_conninfo(configuration->login, &version, error, sizeof(error));
    /* What stands before dbname is a default that the string may override. */
    const char *const keywords[] = {"connect_timeout", "dbname", NULL};
    const char *const values[] = {CONNECT_TIMEOUT_SECONDS, conninfo, NULL};
    PGconn *connection;

    if (conninfo == NULL) {
        fprintf(stderr, "shop-poller: %s\n", error);
        return NULL;
    }
    connection = PQconnectdbParams(keywords, values, 1);
    memory_wipe(conninfo);
    if (PQstatus(connection) != CONNECTION_OK) {
        fprintf(stderr, "shop-poller: cannot connect: %s", PQerrorMessage(connection));
        PQfinish(connection);
        return NULL;
    }
    return connection;
}

/* run executes a statement; NULL, with the reason on stderr, when it fails. */
static PGresult *run(PGconn *connection, const char *sql, int count, const char *const *values) {
    PGresult *result = PQexecParams(connection, sql, count, NULL, values, NULL, NULL, 0);

    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) == 0) {
        fprintf(stderr, "shop-poller: %s", PQresultErrorMessage(result));
        PQclear(result);
        return NULL;
    }
    return result;
}

/* status_object reads queue_status. */
static json_t *status_object(PGconn *connection, const char *store_id) {
    const char *values[] = {store_id};
    PGresult *result = run(connection,
                           "SELECT pg_catalog.row_to_json(status)::pg_catalog.text"
                           " FROM shop.queue_status($1::pg_catalog.int4) status",
                           1, values);
    json_t *status = result != NULL ? json_loads(PQgetvalue(result, 0, 0), 0, NULL) : NULL;

    PQclear(result);
    return status;
}

/* open_letters lists the ids of all open dead letters; NULL when that fails. */
static json_t *open_letters(PGconn *connection, const char *store_id) {
    char before[NUMBER_TEXT_SIZE];
    const char *values[] = {store_id, NULL};
    json_t *ids = json_array(), *page, *letter;
    size_t found, i;

    do {
        PGresult *result = run(connection,
                               "SELECT body::pg_catalog.text FROM shop.list_dead_letters($1::pg_catalog.int4, 'open',"
                               " $2::pg_catalog.int8, " PAGE ", NULL)",
                               2, values);

        page = result != NULL ? json_loads(PQgetvalue(result, 0, 0), 0, NULL) : NULL;
        PQclear(result);
        if (!json_is_array(page)) {
            json_decref(page);
            json_decref(ids);
            return NULL;
        }
        found = json_array_size(page);
        json_array_foreach(page, i, letter) {
            json_array_append(ids, json_object_get(letter, "id"));
            values[1] = number_text(json_integer_value(json_object_get(letter, "id")), before);
        }
        json_decref(page);
    } while (found > 0);
    return ids;
}

int command_status(const struct poller_configuration *configuration) {
    PGconn *connection = connect_database(configuration);
    char store_id[NUMBER_TEXT_SIZE];
    json_t *status = NULL, *letters = NULL;

    number_text(configuration->shared.store_id, store_id);
    if (connection != NULL) {
        status = status_object(connection, store_id);
        letters = status != NULL ? open_letters(connection, store_id) : NULL;
    }
    if (letters != NULL) {
        char *text;

        json_object_set_new(status, "open_dead_letters", json_integer((json_int_t)json_array_size(letters)));
        text = json_dumps(status, JSON_COMPACT);
        puts(text != NULL ? text : "{}");
        free(text);
    }
    json_decref(status);
    PQfinish(connection);
    if (letters == NULL) {
        return 1;
    }
    json_decref(letters);
    return 0;
}

/* redrive_one redrives one dead letter and prints it. */
static bool redrive_one(PGconn *connection, const char *store_id, const char *id) {
    const char *values[] = {store_id, id};
    PGresult *result = run(connection,
                           "SELECT status::pg_catalog.int4, body::pg_catalog.text FROM"
                           " shop.redrive($1::pg_catalog.int4, $2::pg_catalog.int8, 'shop-poller', NULL)",
                           2, values);
    bool done = result != NULL && strcmp(PQgetvalue(result, 0, 0), "200") == 0;

    if (result != NULL) {
        fprintf(done ? stdout : stderr, "%s\n", PQgetvalue(result, 0, 1));
    }
    PQclear(result);
    return done;
}

static bool redrive_all(PGconn *connection, const char *store_id) {
    json_t *ids = open_letters(connection, store_id), *id;
    bool done = ids != NULL;
    size_t i;

    json_array_foreach(ids, i, id) {
        char text[NUMBER_TEXT_SIZE];

        done = redrive_one(connection, store_id, number_text(json_integer_value(id), text)) && done;
    }
    json_decref(ids);
    return done;
}

int command_redrive(const struct poller_configuration *configuration, const char *which) {
    char store_id[NUMBER_TEXT_SIZE];
    PGconn *connection;
    int64_t id;
    bool done;

    if (strcmp(which, "--all") != 0 && !text_to_int64(which, 1, INT64_MAX, &id)) {
        fprintf(stderr, "shop-poller: redrive needs the number of a dead letter, or --all\n");
        return 2;
    }
    connection = connect_database(configuration);
    if (connection == NULL) {
        return 1;
    }
    number_text(configuration->shared.store_id, store_id);
    done = strcmp(which, "--all") == 0 ? redrive_all(connection, store_id) : redrive_one(connection, store_id, which);
    PQfinish(connection);
    return done ? 0 : 1;
}

/* own_address gives where a server that listens on an address is reached from its own machine. */
static const char *own_address(const char *address) {
    bool wildcard = address == NULL || strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;

    return wildcard ? "127.0.0.1" : address;
}

int command_ready(const struct poller_configuration *configuration) {
    const char *address = own_address(configuration->bind_address);
    bool brackets = strchr(address, ':') != NULL; /* IPv6, RFC 3986 section 3.2.2 */
    char url[300], error[512], *answer;
    struct blocking_request request = {.method = "GET", .url = url, .timeout_ms = READY_TIMEOUT_MS, .tries = 1};

    if (configuration->monitor_port == 0) {
        fputs("shop-poller: --ready asks at POLLER_PORT, which is not set\n", stderr);
        return 2;
    }
    snprintf(url, sizeof(url), "http://%s%s%s:%ld/healthz", brackets ? "[" : "", address, brackets ? "]" : "",
             configuration->monitor_port);
    answer = blocking_http_text(&request, error, sizeof(error));
    if (answer == NULL) {
        fprintf(stderr, "shop-poller: %s\n", error);
        return 1;
    }
    free(answer);
    return 0;
}
