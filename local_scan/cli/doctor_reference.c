/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_reference.c - the configuration as outgate ships it.
 *
 * outgate.include with nothing around it but what Exim needs to start, and
 * with the macros that a site may set as this site has set them.
 */
#include "cli/doctor_exim.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"
#include "io/file.h"

#define TEXT_SIZE (256 * 1024)

/* Where it is, seen from the command: installed, and in the build tree. */
static const char *const places[] = {
	"../share/outgate/exim-config/outgate.include",
	"outgate.include",
};

static enum og_status
read_shipped(char *out, struct og_error *err)
{
	char command[PATH_MAX], path[PATH_MAX + 64], real[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", command, sizeof command - 1);
	size_t len;
	size_t i;

	command[n < 0 ? 0 : n] = '\0';
	if (strrchr(command, '/') != NULL)
		strrchr(command, '/')[1] = '\0';
	for (i = 0; i < sizeof places / sizeof places[0]; i++) {
		(void)snprintf(path, sizeof path, "%s%s", command, places[i]);
		if (realpath(path, real) != NULL)
			return og_file_read(
			    real, OG_FILE_PUBLIC, out, TEXT_SIZE, &len, err);
	}
	return og_fail(err, OG_ESYSTEM, "%s%s: what outgate ships is not there",
	    command, places[0]);
}

/* The macro "NAME=value" of the site's, when the text lets a site set it. */
static bool
is_settable(const char *macro, const char *shipped)
{
	static const char ask[] = ".ifndef ";
	size_t len = strcspn(macro, "=");
	const char *at = shipped;

	while ((at = strstr(at, ask)) != NULL) {
		at += strlen(ask);
		if (strncmp(at, macro, len) == 0 && at[len] == '\n')
			return true;
	}
	return false;
}

static void
put_macros(FILE *to, const struct og_lines *macros, const char *shipped)
{
	const char *macro = NULL;

	while ((macro = og_lines_next(macros, macro)) != NULL) {
		if (is_settable(macro, shipped))
			(void)fprintf(to, "%.*s = %s\n",
			    (int)strcspn(macro, "="), macro,
			    macro + strcspn(macro, "=") +
				(strchr(macro, '=') != NULL));
	}
}

/*
 * One accepting ACL, so that a rehearsed message comes as far as local_scan();
 * nothing is looked up in the network.
 */
static void
put(FILE *to, const struct og_lines *macros, const char *shipped,
    const char *spool)
{
	/* Exim cannot set a macro in the retry section */
	static const char *const before[] = {
		"begin routers\nOUTGATE_ROUTERS = yes\n",
		"begin transports\nOUTGATE_TRANSPORTS = yes\n",
		"OUTGATE_RETRIES = yes\nbegin retry\n",
		"begin authenticators\nOUTGATE_AUTHENTICATORS = yes\n",
	};
	size_t i;

	put_macros(to, macros, shipped);
	(void)fputs(shipped, to);
	(void)fprintf(to,
	    "spool_directory = %s\nlog_file_path = %s/%%slog\n"
	    "primary_hostname = doctor.invalid\nkeep_environment =\n"
	    "tls_advertise_hosts =\nacl_smtp_rcpt = rehearsal\n"
	    "begin acl\nrehearsal:\n  accept\n",
	    spool, spool);
	for (i = 0; i < sizeof before / sizeof before[0]; i++) {
		(void)fputs(before[i], to);
		(void)fputs(shipped, to);
	}
}

enum og_status
og_reference(const struct og_lines *macros, const char *spool, int *fd,
    struct og_error *err)
{
	char *shipped = malloc(TEXT_SIZE);
	enum og_status status;
	FILE *to = NULL;

	*fd = -1;
	if (shipped == NULL)
		return og_fail(err, OG_ESYSTEM, "out of memory");
	status = read_shipped(shipped, err);
	if (status == OG_OK) {
		/* inherited on purpose; Exim refuses what others may write */
		*fd = memfd_create("reference", 0);
		if (*fd >= 0 && fchmod(*fd, 0600) == 0)
			to = fdopen(dup(*fd), "w");
		if (to != NULL)
			put(to, macros, shipped, spool);
		if (to == NULL || fclose(to) != 0)
			status = og_fail(
			    err, OG_ESYSTEM, "no file could be made in memory");
	}
	free(shipped);
	if (status != OG_OK && *fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
	return status;
}
