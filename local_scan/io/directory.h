/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_DIRECTORY_H
#define OG_IO_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/from.h"
#include "core/record.h"

/*
 * directory.h - one sender's records from the LDAP directory, by a deadline.
 *
 * libldap cannot keep a deadline, so every server is asked in a child process
 * that is killed when the time is over; the next server is asked hedge_ms after
 * the one before, or at once when that one failed.  The first complete answer
 * counts.  A crash in libldap stays in the child, and nothing in this process
 * is changed by a look-up.
 */

#define OG_URIS_MAX 8
#define OG_URI_SIZE 256
#define OG_DN_SIZE 512
#define OG_PATH_SIZE 256
#define OG_ATTRIBUTE_SIZE 64
#define OG_USER_SIZE 33 /* useradd(8): 32 octets at most */

enum og_bind { OG_BIND_EXTERNAL, OG_BIND_SIMPLE };

/* Where and how to ask; see outgate.conf(5) for each. */
struct og_directory {
	size_t n_uris;
	char uri[OG_URIS_MAX][OG_URI_SIZE]; /* ldapi://, ldaps://, ldap:// */
	/* whom the child becomes when this process is root's; "": nobody else */
	char user[OG_USER_SIZE];
	char base[OG_DN_SIZE];
	enum og_bind bind;
	char bind_dn[OG_DN_SIZE];	       /* simple */
	char bind_password_file[OG_PATH_SIZE]; /* simple: 0600 or 0640 */
	char tls_ca_file[OG_PATH_SIZE]; /* ldaps, StartTLS; "": the system's */
	char login_attribute[OG_ATTRIBUTE_SIZE]; /* "uid" */
	char owner_attribute[OG_ATTRIBUTE_SIZE]; /* "entryUUID" */
	int timeout_ms; /* for everything together */
	int hedge_ms;
};

/* What one message needs to know. */
struct og_question {
	const char *login;   /* the sender's, at most OG_LOGIN_SIZE - 1 octets */
	const char *address; /* the From address, valid; or NULL ... */
	const struct og_from *from; /* ... and the From that could not be read */
};

/*
 * Ask.
 *
 * records  .user is answered, and when it is FOUND also .gateway and
 *          .permission (with an address) or .mention (without); the fields
 *          that go with them are filled in, the others are untouched
 * why      when anything is UNAVAILABLE: the reason, for a log; else ""
 *
 * UNAVAILABLE are: no server in time, a refused bind, a wrong certificate, two
 * entries for the login, an entry without the owner attribute, any result but
 * success, an entry outside the base, a chain deeper or a list longer than the
 * bounds.  No entry for the login is ABSENT.  ldap:// is never used without
 * StartTLS, and certificates are always verified.
 */
void og_directory_read(const struct og_directory *directory,
    const struct og_question *question, struct og_records *records,
    struct og_error *why);

#endif
