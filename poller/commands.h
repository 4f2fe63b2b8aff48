/*
 * What an operator asks the program to do once: show the state of the queue, let dead letters be tried again.
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

#endif
