/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cutthrough.c - is the message being passed on while it is still coming in?
 *
 * With "control = cutthrough_delivery" Exim routes a message at RCPT, when it
 * has no verdict yet, and streams it there.  Exim tells nobody, but
 * $sending_port is our end of what it dialled for a recipient, and only then
 * is that connection still open: a callout's has been closed.
 */
#include "exim/host.h"

#include "exim/cutthrough.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Descriptors are given out from 0 upwards; a receiving Exim has a dozen. */
#define MOST_FDS 64

/* The port of a socket's own end; 0 when it has none. */
static long
own_port(int fd)
{
	struct sockaddr_storage own = { 0 };
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	socklen_t size = sizeof own;

	if (getsockname(fd, (struct sockaddr *)&own, &size) != 0)
		return 0;
	memcpy(&in, &own, sizeof in);
	memcpy(&in6, &own, sizeof in6);
	if (own.ss_family == AF_INET)
		return ntohs(in.sin_port);
	return own.ss_family == AF_INET6 ? ntohs(in6.sin6_port) : 0;
}

bool
og_cutthrough_is_on(void)
{
	const char *text = og_host_expand("$sending_port");
	long port = text != NULL ? strtol(text, NULL, 10) : 0;
	int fd;

	for (fd = 0; port > 0 && fd < MOST_FDS; fd++) {
		if (own_port(fd) == port)
			return true;
	}
	return false;
}
