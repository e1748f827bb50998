/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CLI_PROBE_H
#define OG_CLI_PROBE_H

#include <stdbool.h>

#include "core/error.h"
#include "core/gateway.h"
#include "io/config.h"
#include "io/seal.h"

/*
 * probe.h - log in at a gateway as a delivery would, without sending a message.
 */

enum og_probe_result {
	OG_PROBE_READY,	      /* logged in, and MAIL FROM was taken */
	OG_PROBE_REFUSED,     /* the login was refused for good (5xx) */
	OG_PROBE_SENDER,      /* logged in, but MAIL FROM was refused */
	OG_PROBE_LATER,	      /* a temporary answer (4xx), or a fault of ours */
	OG_PROBE_TLS,	      /* no TLS, or no certificate of that host */
	OG_PROBE_NO_AUTH,     /* no mechanism that outgate speaks */
	OG_PROBE_UNREACHABLE, /* no name, no connection, no answer in time */
	OG_PROBE_FORBIDDEN,   /* an address that is never dialled */
	OG_PROBE_ODD	      /* what it said is no SMTP */
};

struct og_probe {
	const struct og_gateway *gateway;
	const struct og_secret *secret;
	const char *address; /* for MAIL FROM */
	const char *ca_file; /* "": the system's */
	int timeout_ms;	     /* for everything together; 2000 or more */
	/*
	 * Networks that are never dialled beside the built-in ones, each for
	 * og_network_read, then NULL; or NULL.  One that cannot be read
	 * forbids everything.
	 */
	const char *const *networks;
};

/* The networks of outgate.conf as og_probe wants them; they stay config's. */
void og_probe_networks(const struct og_config *config,
    const char *networks[OG_OWN_NETWORKS_MAX + 1]);

/*
 * Make libcurl ready, which can be done once in a process: before anything
 * else uses it, or the password is left in the memory that libcurl has freed.
 *
 * Returns false when it would not start.  Not for threads; SSLKEYLOGFILE is
 * removed from the environment.
 */
OG_MUST_CHECK bool og_probe_start(void);

/*
 * Probe.  Every address of the host is checked before it is dialled, and it is
 * the checked one that is dialled.  The secret is given once, in verified TLS;
 * whatever the answer is, there is no second try.
 *
 * why   for an administrator: what happened, without any word of the server's
 *       and without a secret; "" when ready
 *
 * Calls og_probe_start.
 */
enum og_probe_result og_probe_run(
    const struct og_probe *probe, struct og_error *why);

/*
 * What a result means to the gateway's user, one sentence:
 * "smtp.partner.example refused the login".
 */
void og_probe_sentence(enum og_probe_result result,
    const struct og_gateway *gateway, char *out, size_t size);

#endif
