/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_EXIM_ROUTE_H
#define OG_EXIM_ROUTE_H

#include <stdbool.h>
#include <time.h>

#include "core/verdict.h"
#include "io/memory.h"

/*
 * route.h - where the message of this delivery process goes, read again.
 *
 * The verdict says whose gateway it is; everything else is read again from the
 * directory and decided again by the same policy, so that a mended setting or
 * a withdrawn permission counts for queued mail too.
 */

#define OG_REFUSAL_SIZE (OG_REPLY_SIZE + 16)

struct og_route {
	char text[OG_VERDICT_SIZE]; /* the verdict it belongs to; "" none */
	time_t read_at;
	struct og_verdict verdict;
	/* ":fail: ..." for a redirect router: the message goes back; or "" */
	char refusal[OG_REFUSAL_SIZE];
	/* a sentence: the message has to wait, and why; or "" */
	char hold[OG_REFUSAL_SIZE];
	/* host, port, TLS mode and login; only when it may go ahead */
	struct og_gateway gateway;
	char sealed[OG_SEALED_SIZE];
};

/*
 * The route for a verdict, read at most some seconds ago.
 *
 * Returns NULL when the text is no gateway verdict; else a route that lives
 * until the next call.
 */
const struct og_route *og_route_find(const char *verdict);

/* The route that was found last, however long ago, if it is this verdict's. */
const struct og_route *og_route_last(const char *verdict);

/* Neither refused nor held. */
bool og_route_goes(const struct og_route *route);

/* The gateway as it was used, for memory.h. */
struct og_use og_route_use(const struct og_route *route);

/*
 * Open the route's password.
 *
 * secret   zeroed unless OG_OK; the caller wipes it
 */
OG_MUST_CHECK enum og_status og_route_open(const struct og_route *route,
    struct og_secret *secret, struct og_error *err);

#endif
