/* Settings from the environment, and the connection string made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

struct example {
    struct shared_configuration shared;
    char *name;
    char *mode;
    char *key;
    long size;
    double rate;
};

static const struct setting table[] = {
    SHARED_SETTING_ROWS(offsetof(struct example, shared)),
    {"T_NAME", "T_OLD_NAME", SETTING_STRING, NULL, 2, 5, NULL, false, offsetof(struct example, name), "a name"},
    {"T_MODE", NULL, SETTING_CHOICE, "off", 0, 0, "off|on", false, offsetof(struct example, mode), "a mode"},
    {"T_KEY", NULL, SETTING_STRING, NULL, 0, 0, NULL, true, offsetof(struct example, key), "a key"},
    {"T_SIZE", NULL, SETTING_INTEGER, "20", 1, 1000, NULL, false, offsetof(struct example, size), "a size"},
    {"T_RATE", NULL, SETTING_DECIMAL, "0.7", 0, 1, NULL, false, offsetof(struct example, rate), "a rate"},
};

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))

/* clean_environment unsets what the table names; cmocka reads variables of its own. */
static int clean_environment(void **state) {
    char file_variable[64];
    size_t i;

    (void)state;
    for (i = 0; i < TABLE_SIZE; i++) {
        snprintf(file_variable, sizeof(file_variable), "%s_FILE", table[i].variable);
        unsetenv(table[i].variable);
        unsetenv(file_variable);
        if (table[i].alias != NULL) {
            unsetenv(table[i].alias);
        }
    }
    return 0;
}

static void loads(struct example *example) {
    char error[256];

    assert_true(config_load(table, TABLE_SIZE, example, error, sizeof(error)));
}

/* refuses expects an error that begins with the variable's name. */
static void refuses(const char *variable, const char *value) {
    struct example example;
    char error[256];

    setenv(variable, value, 1);
    assert_false(config_load(table, TABLE_SIZE, &example, error, sizeof(error)));
    assert_int_equal(strncmp(error, variable, strlen(variable)), 0);
    unsetenv(variable);
}

static void knows_defaults(void **state) {
    struct example example;

    (void)state;
    setenv("T_MODE", "", 1); /* empty counts as unset */
    loads(&example);
    assert_null(example.name);
    assert_string_equal(example.mode, "off");
    assert_int_equal(example.size, 20);
    assert_true(example.rate > 0.69 && example.rate < 0.71);
    assert_int_equal(example.shared.db_pool_max, 20);
    assert_int_equal(example.shared.store_id, 1);
    assert_string_equal(example.shared.log_level, "info");
    config_free(table, TABLE_SIZE, &example);
}

static void reads_values_and_aliases(void **state) {
    struct example example;

    (void)state;
    setenv("T_OLD_NAME", "old", 1);
    setenv("T_SIZE", "1000", 1);
    setenv("T_RATE", "1", 1);
    loads(&example);
    assert_string_equal(example.name, "old");
    assert_int_equal(example.size, 1000);
    config_free(table, TABLE_SIZE, &example);
    setenv("T_NAME", "new", 1);
    loads(&example);
    assert_string_equal(example.name, "new");
    config_free(table, TABLE_SIZE, &example);
}

static void names_the_variable(void **state) {
    (void)state;
    refuses("T_NAME", "x");
    refuses("T_NAME", "longer");
    refuses("T_OLD_NAME", "longer");
    refuses("T_MODE", "o");
    refuses("T_MODE", "off|on");
    refuses("T_MODE", "offf");
    refuses("T_SIZE", "0");
    refuses("T_SIZE", "1001");
    refuses("T_SIZE", "20x");
    refuses("T_SIZE", " 20");
    refuses("T_SIZE", "1e2");
    refuses("T_RATE", "1.1");
    refuses("T_RATE", "-0.1");
    refuses("T_RATE", "half");
    refuses("LOG_LEVEL", "loud");
    refuses("DB_POOL_MAX", "0");
}

/* write_file makes a file with the content and puts its path into path, which ends in XXXXXX. */
static void write_file(char *path, const char *content) {
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void reads_secrets_from_files(void **state) {
    char path[] = "/tmp/test_config_XXXXXX";
    struct example example;

    (void)state;
    write_file(path, "from the file\n");
    setenv("T_KEY_FILE", path, 1);
    setenv("T_NAME_FILE", path, 1); /* no secret: not read */
    loads(&example);
    assert_string_equal(example.key, "from the file");
    assert_null(example.name);
    config_free(table, TABLE_SIZE, &example);
    setenv("T_KEY", "given", 1);
    loads(&example);
    assert_string_equal(example.key, "given");
    config_free(table, TABLE_SIZE, &example);
    unlink(path);
    unsetenv("T_KEY");
    refuses("T_KEY_FILE", "/nonexistent/file");
}

/* printed gives what a printing function writes, malloc'd. */
static char *printed(const struct example *example) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    if (example != NULL) {
        config_dump(out, table, TABLE_SIZE, example);
    } else {
        config_print_help(out, table, TABLE_SIZE);
    }
    fclose(out);
    return text;
}

static void prints_help_and_masks_secrets(void **state) {
    struct example example;
    char *help = printed(NULL);
    char *dump;

    (void)state;
    assert_non_null(strstr(help, "T_NAME, T_OLD_NAME"));
    assert_non_null(strstr(help, "T_SIZE (default 20)"));
    assert_non_null(strstr(help, "off|on"));
    assert_non_null(strstr(help, "T_KEY (or T_KEY_FILE)"));
    setenv("T_KEY", "do not tell", 1);
    setenv("DATABASE_URL", "postgresql://u:pw@h/d", 1);
    loads(&example);
    dump = printed(&example);
    assert_non_null(strstr(dump, "T_KEY=****\n"));
    assert_non_null(strstr(dump, "DATABASE_URL=****\n"));
    assert_non_null(strstr(dump, "T_SIZE=20\n"));
    assert_non_null(strstr(dump, "T_NAME=\n"));
    assert_null(strstr(dump, "do not tell"));
    config_free(table, TABLE_SIZE, &example);
    free(help);
    free(dump);
}

static void knows_production(void **state) {
    struct shared_configuration shared = {0};

    (void)state;
    assert_false(configuration_is_production(&shared));
    shared.node_env = (char[]){"production"};
    assert_true(configuration_is_production(&shared));
    shared.node_env = (char[]){"development"};
    assert_false(configuration_is_production(&shared));
    shared.app_env = (char[]){"production"};
    assert_true(configuration_is_production(&shared));
}

static void builds_a_connection_string(void **state) {
    struct shared_configuration shared = {0};
    char error[256];
    char *conninfo;

    (void)state;
    shared.db_host = (char[]){"db.example"};
    shared.db_port = (char[]){"5433"};
    shared.db_name = (char[]){"my shop"};
    shared.db_password = (char[]){"it's a \\ secret"};
    conninfo = configuration_conninfo(&shared, error, sizeof(error));
    assert_string_equal(conninfo, " host='db.example' port='5433' dbname='my shop' password='it\\'s a \\\\ secret'");
    free(conninfo);
    shared.database_url = (char[]){"postgresql://u@h/d"};
    conninfo = configuration_conninfo(&shared, error, sizeof(error));
    assert_string_equal(conninfo, "postgresql://u@h/d");
    free(conninfo);
}

static void refuses_connection_strings(void **state) {
    struct shared_configuration shared = {0};
    char error[256];

    (void)state;
    assert_null(configuration_conninfo(&shared, error, sizeof(error)));
    assert_non_null(strstr(error, "DATABASE_URL"));
    shared.database_url = (char[]){"postgresql://u:geheim@[h/d"};
    assert_null(configuration_conninfo(&shared, error, sizeof(error)));
    assert_non_null(strstr(error, "DATABASE_URL"));
    assert_null(strstr(error, "geheim"));
    shared.database_url = NULL;
    shared.db_host = (char[]){"h"};
    shared.db_port = (char[]){"70000"};
    assert_null(configuration_conninfo(&shared, error, sizeof(error)));
    assert_non_null(strstr(error, "DB_PORT"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(knows_defaults, clean_environment),
        cmocka_unit_test_setup(reads_values_and_aliases, clean_environment),
        cmocka_unit_test_setup(names_the_variable, clean_environment),
        cmocka_unit_test_setup(reads_secrets_from_files, clean_environment),
        cmocka_unit_test_setup(prints_help_and_masks_secrets, clean_environment),
        cmocka_unit_test(knows_production),
        cmocka_unit_test(builds_a_connection_string),
        cmocka_unit_test(refuses_connection_strings),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
