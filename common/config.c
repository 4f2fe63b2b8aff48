#include "config.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* Longest value read from a NAME_FILE; secrets are far shorter. */
#define MAXIMUM_SECRET_FILE_SIZE 65536

/* environment_value gives the variable's value, or NULL when it is unset or empty. */
static const char *environment_value(const char *variable) {
    const char *value = getenv(variable);

    return value != NULL && *value != '\0' ? value : NULL;
}

/* read_text_file gives the file's content without one trailing newline, malloc'd, or NULL. */
static char *read_text_file(const char *path) {
    FILE *file = fopen(path, "re");
    char *content;
    size_t size;

    if (file == NULL) {
        return NULL;
    }
    content = malloc(MAXIMUM_SECRET_FILE_SIZE + 1);
    if (content != NULL) {
        size = fread(content, 1, MAXIMUM_SECRET_FILE_SIZE, file);
        if (ferror(file) || !feof(file) || memchr(content, '\0', size) != NULL) {
            free(content);
            content = NULL;
        } else {
            size -= size > 0 && content[size - 1] == '\n' ? 1 : 0;
            size -= size > 0 && content[size - 1] == '\r' ? 1 : 0;
            content[size] = '\0';
        }
    }
    fclose(file);
    return content;
}

/*
 * lookup finds the text of one variable: the variable itself, or for secrets the file that NAME_FILE names. Sets *text
 * to a malloc'd copy or NULL when neither is set. Returns false with a message when the file cannot be used.
 */
static bool lookup(const char *variable, bool secret, char **text, char *error, size_t error_size) {
    const char *value = environment_value(variable);
    const char *path;
    char file_variable[128];

    *text = NULL;
    if (value != NULL) {
        *text = strdup(value);
        return *text != NULL;
    }
    snprintf(file_variable, sizeof(file_variable), "%s_FILE", variable);
    path = secret ? environment_value(file_variable) : NULL;
    if (path == NULL) {
        return true;
    }
    *text = read_text_file(path);
    if (*text == NULL) {
        snprintf(error, error_size, "%s: cannot read the file it names", file_variable);
        return false;
    }
    if (**text == '\0') {
        free(*text);
        *text = NULL;
    }
    return true;
}

/* choice_allowed tells whether word is one of the words of choices, which are separated by '|'. */
static bool choice_allowed(const char *choices, const char *word) {
    size_t length = strlen(word);

    while (*choices != '\0') {
        size_t size = strcspn(choices, "|");

        if (size == length && memcmp(choices, word, size) == 0) {
            return true;
        }
        choices += size;
        choices += *choices == '|' ? 1 : 0;
    }
    return false;
}

/* read_text checks text and stores it in a STRING or CHOICE field. */
static bool read_text(const struct setting *setting, const char *text, char **field, char *error, size_t error_size) {
    size_t length = strlen(text);

    if (setting->type == SETTING_CHOICE && !choice_allowed(setting->choices, text)) {
        snprintf(error, error_size, "%s must be one of %s", setting->variable, setting->choices);
        return false;
    }
    if (setting->type == SETTING_STRING && setting->maximum > 0 &&
        ((double)length < setting->minimum || (double)length > setting->maximum)) {
        snprintf(error, error_size, "%s must be %.0f to %.0f characters long", setting->variable, setting->minimum,
                 setting->maximum);
        return false;
    }
    *field = strdup(text);
    if (*field == NULL) {
        snprintf(error, error_size, "%s: out of memory", setting->variable);
    }
    return *field != NULL;
}

/* read_integer checks text and stores it in an INTEGER field. */
static bool read_integer(const struct setting *setting, const char *text, long *field, char *error, size_t error_size) {
    int64_t number;

    if (!text_to_int64(text, (int64_t)setting->minimum, (int64_t)setting->maximum, &number)) {
        snprintf(error, error_size, "%s must be an integer from %.0f to %.0f", setting->variable, setting->minimum,
                 setting->maximum);
        return false;
    }
    *field = (long)number;
    return true;
}

/* read_decimal checks text and stores it in a DECIMAL field. */
static bool read_decimal(const struct setting *setting, const char *text, double *field, char *error,
                         size_t error_size) {
    double number;

    if (!text_to_double(text, &number) || number < setting->minimum || number > setting->maximum) {
        snprintf(error, error_size, "%s must be a decimal number from %g to %g", setting->variable, setting->minimum,
                 setting->maximum);
        return false;
    }
    *field = number;
    return true;
}

/* store converts text by the setting's type and stores it in the configuration. */
static bool store(const struct setting *setting, const char *text, void *configuration, char *error,
                  size_t error_size) {
    void *field = (char *)configuration + setting->offset;

    switch (setting->type) {
    case SETTING_INTEGER:
        return read_integer(setting, text, field, error, error_size);
    case SETTING_DECIMAL:
        return read_decimal(setting, text, field, error, error_size);
    case SETTING_STRING:
    case SETTING_CHOICE:
        break;
    }
    return read_text(setting, text, field, error, error_size);
}

/* load_setting reads one row of the table. A message about a value given under the alias names the alias. */
static bool load_setting(const struct setting *setting, void *configuration, char *error, size_t error_size) {
    struct setting named = *setting;
    char *text = NULL;
    bool stored = true;

    if (!lookup(setting->variable, setting->secret, &text, error, error_size)) {
        return false;
    }
    if (text == NULL && setting->alias != NULL) {
        named.variable = setting->alias;
        if (!lookup(setting->alias, setting->secret, &text, error, error_size)) {
            return false;
        }
    }
    if (text != NULL) {
        stored = store(&named, text, configuration, error, error_size);
    } else if (setting->default_text != NULL) {
        stored = store(setting, setting->default_text, configuration, error, error_size);
    }
    free(text);
    return stored;
}

static bool is_text(const struct setting *setting) {
    return setting->type == SETTING_STRING || setting->type == SETTING_CHOICE;
}

/* clear sets every field of the table to NULL or 0. */
static void clear(const struct setting *table, size_t count, void *configuration) {
    size_t i;

    for (i = 0; i < count; i++) {
        void *field = (char *)configuration + table[i].offset;

        if (is_text(&table[i])) {
            *(char **)field = NULL;
        } else if (table[i].type == SETTING_INTEGER) {
            *(long *)field = 0;
        } else {
            *(double *)field = 0;
        }
    }
}

bool config_load(const struct setting *table, size_t count, void *configuration, char *error, size_t error_size) {
    size_t i;

    snprintf(error, error_size, "out of memory");
    clear(table, count, configuration);
    for (i = 0; i < count; i++) {
        if (!load_setting(&table[i], configuration, error, error_size)) {
            config_free(table, count, configuration);
            return false;
        }
    }
    return true;
}

void config_free(const struct setting *table, size_t count, void *configuration) {
    size_t i;

    for (i = 0; i < count; i++) {
        if (is_text(&table[i])) {
            char **field = (char **)((char *)configuration + table[i].offset);

            free(*field);
            *field = NULL;
        }
    }
}

void config_print_help(FILE *out, const struct setting *table, size_t count) {
    size_t i;

    for (i = 0; i < count; i++) {
        const struct setting *setting = &table[i];

        fprintf(out, "  %s", setting->variable);
        if (setting->alias != NULL) {
            fprintf(out, ", %s", setting->alias);
        }
        if (setting->default_text != NULL) {
            fprintf(out, " (default %s)", setting->default_text);
        }
        if (setting->secret) {
            fprintf(out, " (or %s_FILE)", setting->variable);
        }
        fprintf(out, "\n        %s", setting->help);
        if (setting->choices != NULL) {
            fprintf(out, ": %s", setting->choices);
        } else if (setting->type != SETTING_STRING) {
            fprintf(out, ": %.15g to %.15g", setting->minimum, setting->maximum);
        }
        fputc('\n', out);
    }
}

void config_dump(FILE *out, const struct setting *table, size_t count, const void *configuration) {
    size_t i;

    for (i = 0; i < count; i++) {
        const void *field = (const char *)configuration + table[i].offset;

        fprintf(out, "%s=", table[i].variable);
        if (is_text(&table[i])) {
            const char *text = *(char *const *)field;

            fputs(text == NULL ? "" : table[i].secret ? "****" : text, out);
        } else if (table[i].type == SETTING_INTEGER) {
            fprintf(out, "%ld", *(const long *)field);
        } else {
            fprintf(out, "%g", *(const double *)field);
        }
        fputc('\n', out);
    }
}

static bool is_production_word(const char *word) {
    return word != NULL && strcmp(word, "production") == 0;
}

bool configuration_is_production(const struct shared_configuration *configuration) {
    return is_production_word(configuration->app_env) || is_production_word(configuration->node_env);
}

/* Quotes and backslashes are escaped (PostgreSQL documentation, "Keyword/Value Connection Strings"). */
void configuration_add_parameter(FILE *out, const char *keyword, const char *value) {
    if (value == NULL) {
        return;
    }
    fprintf(out, " %s='", keyword);
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\') {
            fputc('\\', out);
        }
        fputc(*value, out);
    }
    fputc('\'', out);
}

/* build_conninfo joins the DB_* settings. */
static char *build_conninfo(const struct shared_configuration *configuration) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL) {
        return NULL;
    }
    configuration_add_parameter(out, "host", configuration->db_host);
    configuration_add_parameter(out, "port", configuration->db_port);
    configuration_add_parameter(out, "dbname", configuration->db_name);
    configuration_add_parameter(out, "user", configuration->db_user);
    configuration_add_parameter(out, "password", configuration->db_password);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* accepted_by_libpq tells whether libpq's own parser takes the string. Its message is not shown: it may quote the
 * password. */
static bool accepted_by_libpq(const char *conninfo) {
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &message);

    PQfreemem(message);
    if (options == NULL) {
        return false;
    }
    PQconninfoFree(options);
    return true;
}

char *configuration_conninfo(const struct shared_configuration *configuration, char *error, size_t error_size) {
    const char *variable = "DATABASE_URL";
    char *conninfo;
    int64_t port;

    if (configuration->database_url != NULL) {
        conninfo = strdup(configuration->database_url);
    } else if (configuration->db_host == NULL && configuration->db_name == NULL &&
               configuration->db_secret_arn == NULL) {
        snprintf(error, error_size,
                 "DATABASE_URL (or DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD, or DB_SECRET_ARN) must be set");
        return NULL;
    } else if (configuration->db_port != NULL && !text_to_int64(configuration->db_port, 1, 65535, &port)) {
        snprintf(error, error_size, "DB_PORT must be an integer from 1 to 65535");
        return NULL;
    } else {
        variable = "DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD";
        conninfo = build_conninfo(configuration);
    }
    if (conninfo == NULL || !accepted_by_libpq(conninfo)) {
        snprintf(error, error_size, "%s must be a connection string that libpq understands (URI or key=value)",
                 variable);
        free(conninfo);
        return NULL;
    }
    return conninfo;
}
