/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_LDAP_H
#define OG_IO_LDAP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/record.h"
#include "io/directory.h"

/*
 * ldap.h - ask one LDAP server, for as long as it takes.
 *
 * For io/directory.c, io/roster.c and `outgate doctor`, which call it in a
 * child process with an empty environment and end that process when the time
 * is over: libldap has global state, reads the environment and waits for ever
 * on a silent server.
 */

struct og_ldap_task {
	const struct og_directory *directory;
	const char *uri; /* which of its servers */
	const struct og_question *question;
	int left_ms; /* what the server is told; nothing here keeps it */
};

/*
 * Ask.
 *
 * records  as og_directory_read fills them in; nothing in it is UNAVAILABLE
 *
 * OG_EINPUT   the directory's data are not what the question needs: two
 *             entries for the login, no owner, an entry outside the base
 * OG_ELIMIT   more levels or addresses than anyone has
 * OG_EDENIED  the settings do not allow to ask this server
 * OG_ESYSTEM  the server could not be asked or refused
 *
 * On failure records holds nothing that may be used.  err is made of fixed
 * words, libldap's words for its codes and the path of the password file: it
 * never quotes the directory or a secret.
 */
OG_MUST_CHECK enum og_status og_ldap_ask(const struct og_ldap_task *task,
    struct og_records *records, struct og_error *err);

/*
 * Connect to the task's server and bind, as the others do.
 *
 * ld   the handle (LDAP *), to be ended by ldap_unbind_ext; each answer may
 *      take left_ms.  task->question is not used.
 *
 * OG_EDENIED, OG_ESYSTEM  as og_ldap_ask
 */
struct ldap;
OG_MUST_CHECK enum og_status og_ldap_connect(const struct og_ldap_task *task,
    struct ldap **ld, struct og_error *err);

/* What one server makes of outgate's data and of whoever asks. */
struct og_ldap_survey {
	/* who the server says we are: "dn:..."; "" when nobody */
	bool who_known;
	char who[OG_DN_SIZE];
	/* what the schema lacks: "" nothing */
	bool schema_known;
	char schema_fault[OG_ATTRIBUTE_SIZE + 64];
	/* how long it takes to find the base, a login, an address */
	int base_ms;
	int login_ms;
	int address_ms;
	/* gateways as far as we may see them, and whether there are more */
	size_t n_gateways;
	size_t n_passwords; /* of them, with a password of some form */
	size_t n_unsealed;
	bool more;
	/* somebody with a gateway; "" when no login is shown */
	char login[OG_LOGIN_SIZE];
	char address[OG_ADDRESS_SIZE];
	/* whether somebody who has not logged in is shown a password */
	bool open_to_all;
};

/*
 * Look around.
 *
 * task->question is not used.
 *
 * OG_EDENIED, OG_ESYSTEM  as og_ldap_ask; what has been found out stays
 */
OG_MUST_CHECK enum og_status og_ldap_survey(const struct og_ldap_task *task,
    struct og_ldap_survey *survey, struct og_error *err);

/* A gateway's password, sealed or not, and what it is sealed for. */
struct og_ldap_password {
	const char *dn;
	/* entryCSN: another one means that the entry was changed; "" unknown */
	char stamp[OG_VALUE_SIZE];
	char owner[OG_OWNER_SIZE]; /* "" when it cannot be found out */
	struct og_gateway_record gateway;
};

/*
 * Visit every password that we are shown.
 *
 * visit   is called with context for each; what it is given is valid until it
 *         returns
 *
 * OG_ELIMIT                the server shows only some of them
 * OG_EDENIED, OG_ESYSTEM   as og_ldap_ask; some may have been visited
 */
struct og_ldap_visitor {
	void *context;
	void (*visit)(void *context, const struct og_ldap_password *password);
};
OG_MUST_CHECK enum og_status og_ldap_passwords(const struct og_ldap_task *task,
    const struct og_ldap_visitor *visitor, struct og_error *err);

#endif
