/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_LDAP_H
#define OG_IO_LDAP_H

#include "core/error.h"
#include "core/record.h"
#include "io/directory.h"

/*
 * ldap.h - ask one LDAP server, for as long as it takes.
 *
 * For io/directory.c alone, which calls it in a child process with an empty
 * environment and ends that process when the time is over: libldap has global
 * state, reads the environment and waits for ever on a silent server.
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

#endif
