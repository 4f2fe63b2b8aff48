#include "accounts.h"

const struct database_statement find_account_statement = {
    "find_account",
    "SELECT id, username, role, password_hash, locked_seconds"
    " FROM shop.find_account($1::pg_catalog.int4, $2::pg_catalog.text)",
    2, true};

/* Counting one failure twice does no harm. */
const struct database_statement record_login_statement = {
    "record_login", "SELECT shop.record_login($1::pg_catalog.int4, $2::pg_catalog.text, $3::pg_catalog.bool)", 3, true};

const struct database_statement put_demo_account_statement = {
    "put_demo_account",
    "SELECT shop.put_demo_account($1::pg_catalog.int4, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, "
    "$5::pg_catalog.text)",
    5, true};
