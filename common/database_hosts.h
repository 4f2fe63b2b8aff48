/*
 * With which host of a connection string an attempt to connect begins. Private to the database pool.
 *
 * PQconnectPoll goes on to the next host or address when one refuses, but has no limit of time: it waits at one that is
 * silent, and gives up at one that hangs up or rejects the login. Since each attempt of libpq begins at the first, it
 * would never come to the second. So the attempt after one that failed begins after the host at which that ended.
 */
#ifndef SHOP_COMMON_DATABASE_HOSTS_H
#define SHOP_COMMON_DATABASE_HOSTS_H

#include <libpq-fe.h>

/* libpq's lists, one entry for each host, to stand in for those of the string; NULL: the string's stay. */
struct database_hosts {
    char *host, *hostaddr, *port;
};

/* database_hosts_option gives what the parsed string or else libpq's environment says about a keyword; NULL: nothing.
 * options: as PQconninfoParse gave them, NULL is allowed. */
const char *database_hosts_option(const PQconninfoOption *options, const char *keyword);

/*
 * database_hosts_from orders the string's hosts for an attempt. turn 0 leaves everything to libpq; each further turn
 * begins at the next host, and in each further round at the next address of that host, for which the name service is
 * asked: it may wait. The caller frees the lists by database_hosts_free.
 */
struct database_hosts database_hosts_from(const PQconninfoOption *options, unsigned turn);

/* database_hosts_turn_after gives the turn that begins after the host at which the attempt of this turn ended: where
 * handle is. NULL is allowed. */
unsigned database_hosts_turn_after(const PQconninfoOption *options, unsigned turn, const PGconn *handle);

/* database_hosts_free frees the lists. */
void database_hosts_free(struct database_hosts *hosts);

#endif
