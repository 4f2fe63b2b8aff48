/*
 * What an operator asks the program to do once: show the state of the queue, let dead letters be tried again, tell
 * whether the poller of this machine is well.
 */
#ifndef SHOP_POLLER_COMMANDS_H
#define SHOP_POLLER_COMMANDS_H

#include "configuration.h"

/* command_status prints the state of the queue and the number of open dead letters as one JSON object. Returns the exit
 * code: 0, or 1 with a message on stderr. */
int command_status(const struct poller_configuration *configuration);

/*
 * command_redrive lets dead letters be tried again; which: a number, or "--all" for every open one. Prints each as a
 * line of JSON. Returns the exit code: 0 when all were redriven (now or before), 1 with a message on stderr otherwise.
 */
int command_redrive(const struct poller_configuration *configuration, const char *which);

/*
 * command_ready asks GET /healthz of POLLER_PORT on this machine, at BIND_ADDRESS unless that is unset or a wildcard,
 * for at most 3 s. Returns the exit code: 0 when the poller is well; 1 when it is not, with what is wrong on stderr; 2
 * when there is no POLLER_PORT to ask.
 */
int command_ready(const struct poller_configuration *configuration);

#endif
