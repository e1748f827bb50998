/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_ROSTER_H
#define OG_IO_ROSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/error.h"
#include "core/record.h"
#include "io/directory.h"

/*
 * roster.h - all gateways of a directory: list them, watch them, and tell
 * their users how they are.
 *
 * For `outgate agent`, which calls it in child processes that it ends when
 * their time is over; see ldap.h.  What a gateway is good for is not decided
 * here: that takes the module's own look-up (directory.h).
 */

struct og_roster;

/* What outgateStatus holds: 256 octets at most. */
#define OG_STATUS_SIZE 257

/* One entry with a gateway, as far as it is needed to look up the rest. */
struct og_roster_entry {
	char login[OG_LOGIN_SIZE]; /* its user's; "" when there is none */
	bool enabled;
	struct og_value status;
	/* of all values those that are valid, at most OG_PROOFS_MAX */
	size_t n_addresses;
	char address[OG_PROOFS_MAX][OG_ADDRESS_SIZE];
	size_t n_odd; /* those that are not, or are too many */
};

/* What og_roster_list has found; all of it is valid during the call only. */
struct og_roster_visitor {
	void *context;
	/* once, first: every permission in the directory, as octets */
	void (*permissions)(void *context, const char *state, size_t len);
	/*
	 * dn     of the gateway's entry
	 * user   DN of its user's: the same, or the one above
	 * state  all its attributes that matter, as octets: when these are
	 *        the same as before, nothing has changed; NULL when they
	 *        are more than is read at once, and user is dn then
	 */
	void (*gateway)(void *context, const char *dn, const char *user,
	    const char *state, size_t len);
};

/*
 * Connect to the first server that lets us in.
 *
 * directory   with the agent's own bind
 * timeout_ms  for each answer
 *
 * OG_EDENIED, OG_ESYSTEM  as og_ldap_ask; err has a cause for each server
 */
OG_MUST_CHECK enum og_status og_roster_open(
    const struct og_directory *directory, int timeout_ms,
    struct og_roster **roster, struct og_error *err);
void og_roster_close(struct og_roster *roster);

/*
 * Visit every gateway.  Each is read by itself, at the cost of an answer each.
 *
 * OG_ELIMIT   the server shows only some of them; those have been visited
 * OG_ESYSTEM  it failed; some have not been visited, and on other errors than
 *             a server's that does not answer any more all others have
 */
OG_MUST_CHECK enum og_status og_roster_list(struct og_roster *roster,
    const struct og_roster_visitor *visitor, struct og_error *err);

/*
 * Read one.
 *
 * OG_EINPUT   it is not there any more
 * OG_ESYSTEM  the server failed
 */
OG_MUST_CHECK enum og_status og_roster_read(struct og_roster *roster,
    const char *dn, struct og_roster_entry *entry, struct og_error *err);

/*
 * Read an entry's outgateStatus and nothing else, however large the entry.
 *
 * OG_EINPUT, OG_ESYSTEM  as og_roster_read
 */
OG_MUST_CHECK enum og_status og_roster_told(struct og_roster *roster,
    const char *dn, struct og_value *status, struct og_error *err);

/*
 * Replace an entry's outgateStatus.
 *
 * OG_EINPUT   it is not there any more
 * OG_ESYSTEM  the server failed or does not allow it
 */
OG_MUST_CHECK enum og_status og_roster_tell(struct og_roster *roster,
    const char *dn, const char *status, struct og_error *err);

/*
 * Call ring(context) once the server has agreed to tell of changes (RFC 4533,
 * refreshAndPersist), and then for each change to a gateway or a permission.
 * Returns only when that has come to an end.
 *
 * OG_EDENIED  the server does not offer it
 * OG_ESYSTEM  the connection has ended
 */
OG_MUST_CHECK enum og_status og_roster_watch(struct og_roster *roster,
    void (*ring)(void *context), void *context, struct og_error *err);

#endif
