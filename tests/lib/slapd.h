/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_TESTS_SLAPD_H
#define OG_TESTS_SLAPD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * slapd.h - a real OpenLDAP server for a test, ready in a fifth of a second.
 *
 * It listens on loopback and on a Unix socket, keeps everything in a folder of
 * its own under /tmp, and ends with the test program however that ends.  The
 * suffix is dc=example,dc=org.  Two may read: whoever runs the test (SASL
 * EXTERNAL over ldapi), and SLAPD_SERVICE if the data have it.
 */

#define SLAPD_SERVICE "cn=outgate,dc=example,dc=org"

enum slapd_tls {
	SLAPD_NO_TLS = 0,
	SLAPD_TLS,	      /* a certificate for 127.0.0.1 */
	SLAPD_TLS_OTHER_NAME, /* one for other.example, of the same CA */
};

struct slapd_setup {
	/*
	 * All entries, the suffix first.  The values of one attribute stand
	 * together: slapadd -q does not gather them.
	 */
	const char *ldif;
	const char *schema; /* text; NULL: ldap-schema/outgate.schema */
	enum slapd_tls tls;
	const char *extra; /* lines for slapd.conf before the access rules */
};

struct slapd {
	pid_t pid;
	char dir[64];
	char socket[96]; /* path of the Unix socket */
	char ldapi[192]; /* URIs */
	char ldap[64];
	char ldaps[64]; /* "" without TLS */
	char ca[96];	/* path of the CA's certificate */
	char log[96];	/* what slapd wrote, at level "stats" */
};

/*
 * Start one; the current folder is the top of the source tree.
 *
 * Returns false when it did not come up; the reason is on stderr and nothing
 * is left behind.
 */
bool slapd_start(struct slapd *slapd, const struct slapd_setup *setup);

/* End it and remove its folder; does nothing for {0}. */
void slapd_stop(struct slapd *slapd);

/* Write the URI of a Unix socket. */
void slapd_ldapi_uri(const char *path, char *uri, size_t size);

/* How often does the log, from octet "from" on, hold this text? */
size_t slapd_log_count(
    const struct slapd *slapd, size_t from, const char *text);

/* The log's length in octets. */
size_t slapd_log_size(const struct slapd *slapd);

#endif
