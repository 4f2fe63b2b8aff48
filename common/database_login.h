/*
 * Where the connection string comes from: settings that never change, or a secret of AWS Secrets Manager that is read
 * again when a login with it fails, so that a rotation of the password needs no restart. Shared by threads.
 */
#ifndef SHOP_COMMON_DATABASE_LOGIN_H
#define SHOP_COMMON_DATABASE_LOGIN_H

#include <stddef.h>

#include "config.h"

struct database_login;

/* database_login_fixed makes one that always gives this string (copied). */
struct database_login *database_login_fixed(const char *conninfo);

/*
 * database_login_create makes one as the settings say. With DB_SECRET_ARN nothing is read yet: that is for the first
 * connection. Returns NULL with a message in error that names the variable when the settings cannot be used. Has to be
 * called before any thread is started.
 */
struct database_login *database_login_create(const struct shared_configuration *configuration, char *error,
                                             size_t error_size);

/* database_login_share takes part in the login; each part is given up by database_login_release. */
struct database_login *database_login_share(struct database_login *login);

/* database_login_release gives a part up; the last one wipes and frees it. NULL is allowed. */
void database_login_release(struct database_login *login);

/*
 * database_login_conninfo gives the connection string, which the caller wipes and frees, and its number in *version.
 * It may read the secret, and then waits. When the secret cannot be read, the string that was good before is given
 * again; where there is none yet: NULL with a message in error.
 */
char *database_login_conninfo(struct database_login *login, unsigned *version, char *error, size_t error_size);

/* database_login_refused says that no connection could be made with that version: the secret is to be read again. Never
 * waits. */
void database_login_refused(struct database_login *login, unsigned version);

#endif
