/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CLI_PROBE_TALK_H
#define OG_CLI_PROBE_TALK_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/probe.h"

/*
 * probe_talk.h - what a server says to a probe, and what that means.
 *
 * libcurl does the talking; what matters to us is judged here, from the same
 * lines: whether we were let in is not concluded from libcurl having gone on,
 * and after the first refusal it may not try anything else.
 */

enum og_talk_step {
	OG_TALK_GREETING = 0,
	OG_TALK_EHLO,
	OG_TALK_STARTTLS,
	OG_TALK_AUTH,
	OG_TALK_COMMAND, /* logged in */
};

struct og_talk {
	enum og_talk_step step;
	bool starttls; /* the caller's: TLS has yet to be asked for */

	bool offers_starttls; /* in the answer to the last EHLO */
	bool offers_cram;
	bool offers_auth; /* a mechanism of OG_TALK_MECHANISMS */
	unsigned prompts; /* of the server's in AUTH */
	bool logged_in;
	/*
	 * Of the last whole reply; after the login the first one since the
	 * caller has set it to 0.
	 */
	int code;

	bool settled; /* there is nothing more to find out: */
	enum og_probe_result result;
};

/* What Exim speaks with gateways, in its order, in libcurl's words. */
#define OG_TALK_MECHANISMS "AUTH=CRAM-MD5;AUTH=PLAIN;AUTH=LOGIN"

/*
 * Hear one line.
 *
 * at    len octets with their line end; may hold anything
 * why   what happened, when this settles it
 *
 * Returns false when the connection has to end for it.
 */
bool og_talk_hear(
    struct og_talk *talk, const char *at, size_t len, struct og_error *why);

#endif
