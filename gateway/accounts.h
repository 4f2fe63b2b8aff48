/*
 * The statements about accounts, which login and the demo accounts share.
 */
#ifndef SHOP_GATEWAY_ACCOUNTS_H
#define SHOP_GATEWAY_ACCOUNTS_H

#include "database.h"

/* (store, username) -> one row, columns as in enum account_column; ACCOUNT_ID is NULL where there is no account. */
extern const struct database_statement find_account_statement;

/* (store, username, succeeded) -> one row without meaning. */
extern const struct database_statement record_login_statement;

/* (store, account id, username, role, hash) -> one row without meaning. */
extern const struct database_statement put_demo_account_statement;

enum account_column { ACCOUNT_ID, ACCOUNT_USERNAME, ACCOUNT_ROLE, ACCOUNT_PASSWORD_HASH, ACCOUNT_LOCKED_SECONDS };

#endif
