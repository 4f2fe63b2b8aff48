/*
 * The listening socket.
 */
#ifndef SHOP_GATEWAY_LISTENER_H
#define SHOP_GATEWAY_LISTENER_H

#include <stddef.h>

/*
 * listener_open listens on an address (NULL: all interfaces, IPv6 and IPv4 where the machine has both) and a port (0: a
 * free one). port_setting: the variable that the port comes from. Returns the non-blocking descriptor, or -1 with a
 * message in error, which names the variables.
 */
int listener_open(const char *address, const char *port_setting, long port, char *error, size_t error_size);

/* listener_port gives the port that the socket listens on. */
int listener_port(int listener);

#endif
