/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_exim.c - can this Exim, as it is built and configured, do its part?
 *
 * Exim is asked what it has understood; its files are not read here.
 */
#include "cli/doctor_exim.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"

#define AREA "exim"
/* The oldest that outgate is tested with. */
#define VERSION_MAJOR 4
#define VERSION_MINOR 96
#define REMOVE_MS 10000

/* How it was built. */

/* Words of -bV. */
static const char before_version[] = "Exim version ";

static bool
is_new_enough(const char *version)
{
	char *end;
	unsigned long major = strtoul(version, &end, 10);
	unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

	return major > VERSION_MAJOR ||
	       (major == VERSION_MAJOR && minor >= VERSION_MINOR);
}

static void
examine_features(struct og_doctor *doctor, const char *said)
{
	static const struct {
		const char *word, *need;
	} row[] = {
		{ " Expand_dlfunc", "EXPAND_DLFUNC=yes" },
		{ " Event", "events (DISABLE_EVENT)" },
		{ "TLS", "TLS (DISABLE_TLS)" },
	};
	const char *version =
	    strstr(said, before_version) + strlen(before_version);
	bool complete = is_new_enough(version);
	size_t i;

	if (!complete)
		og_doctor_say(doctor, OG_SICK, AREA,
		    "version %.*s: outgate needs %d.%d or newer",
		    (int)strcspn(version, " \n"), version, VERSION_MAJOR,
		    VERSION_MINOR);
	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		if (strstr(said, row[i].word) != NULL)
			continue;
		complete = false;
		og_doctor_say(doctor, OG_SICK, AREA, "%s was built without %s",
		    doctor->exim, row[i].need);
	}
	if (complete)
		og_doctor_say(doctor, OG_HEALTHY, AREA,
		    "%s is version %.*s and has what outgate needs",
		    doctor->exim, (int)strcspn(version, " \n"), version);
}

static bool
examine_binary(struct og_doctor *doctor)
{
	const char *const argv[] = { doctor->exim, "-bV", NULL };
	struct og_output output;
	struct og_error err;
	bool is_exim;

	if (access(doctor->exim, X_OK) != 0) {
		og_doctor_say(doctor, OG_SICK, AREA,
		    "%s: %s; --exim names the binary", doctor->exim,
		    strerror(errno));
		return false;
	}
	if (og_doctor_run(argv, "", &output, &err) != OG_OK) {
		og_doctor_say(doctor, OG_SICK, AREA, "%s", err.text);
		return false;
	}
	is_exim = strstr(output.out, before_version) != NULL;
	if (is_exim)
		examine_features(doctor, output.out);
	else
		og_doctor_say(doctor, OG_SICK, AREA,
		    "%s does not say that it is Exim; --exim names the binary",
		    doctor->exim);
	og_output_free(&output);
	return is_exim;
}

/* What it runs as, and with what settings. */

/* Name or number; NULL when there is no such user. */
static const struct passwd *
find_user(const struct og_view *site)
{
	const char *value = og_option(&site->options, NULL, "exim_user");
	unsigned long uid;
	char *end;

	if (value == NULL)
		return NULL;
	uid = strtoul(value, &end, 10);
	if (og_text_is_digit(value[0]) && *end == '\0')
		return getpwuid((uid_t)uid);
	return getpwnam(value);
}

static void
examine_user(struct og_doctor *doctor, const struct og_view *site)
{
	const struct passwd *account = find_user(site);
	const char *user = doctor->config.directory.user;

	if (account != NULL && strcmp(account->pw_name, user) == 0)
		og_doctor_say(
		    doctor, OG_HEALTHY, AREA, "it runs as user %s", user);
	else
		og_doctor_say(doctor, OG_SICK, AREA,
		    "it runs as user %s, and the settings say user %s",
		    account != NULL ? account->pw_name : "unknown", user);
}

/* The module reads the file that Exim's environment names. */
static void
examine_environment(struct og_doctor *doctor, const struct og_view *site)
{
	static const char name[] = "OUTGATE_CONF=";
	const char *value = og_option(&site->options, NULL, "add_environment");
	const char *path = value != NULL ? strstr(value, name) : NULL;
	char read_by_exim[PATH_MAX];

	path = path != NULL ? path + strlen(name) : OG_CONFIG_PATH;
	(void)snprintf(read_by_exim, sizeof read_by_exim, "%.*s",
	    (int)strcspn(path, " \t:;"), path);
	if (strcmp(read_by_exim, doctor->path) != 0)
		og_doctor_say(doctor, OG_SICK, AREA,
		    "the module reads %s and not %s (add_environment)",
		    read_by_exim, doctor->path);
}

/* A time as Exim prints it: "1h30m". */
static int64_t
seconds_of(const char *text)
{
	static const struct {
		char unit;
		int64_t s;
	} row[] = {
		{ 'w', 604800 },
		{ 'd', 86400 },
		{ 'h', 3600 },
		{ 'm', 60 },
		{ 's', 1 },
	};
	int64_t sum = 0;
	char *end;
	size_t i;

	while (og_text_is_digit(*text)) {
		int64_t n = strtol(text, &end, 10);

		for (i = 0; i < sizeof row / sizeof row[0]; i++) {
			if (row[i].unit == *end)
				sum += n * row[i].s;
		}
		text = *end == '\0' ? end : end + 1;
	}
	return sum;
}

/* Exim's own limit kills the module without a word to the log. */
static void
examine_timeout(struct og_doctor *doctor, const struct og_view *site)
{
	const char *value =
	    og_option(&site->options, NULL, "local_scan_timeout");
	int timeout_ms = doctor->config.directory.timeout_ms;

	if (value == NULL || !doctor->has_config)
		return;
	if (seconds_of(value) * 1000 > timeout_ms)
		og_doctor_say(doctor, OG_HEALTHY, AREA,
		    "local_scan_timeout (%s) is above timeout_ms (%d)", value,
		    timeout_ms);
	else
		og_doctor_say(doctor, OG_SICK, AREA,
		    "local_scan_timeout is %s and must be above timeout_ms "
		    "(%d): the module's own deadline has to come first (P1)",
		    value, timeout_ms);
}

/* A file of CAs, or "system". */
static void
examine_authorities(struct og_doctor *doctor, const struct og_view *reference)
{
	const char *value = og_option(&reference->drivers,
	    "outgate_implicit transport:", "tls_verify_certificates");

	if (value == NULL || value[0] == '\0')
		og_doctor_say(doctor, OG_SICK, AREA,
		    "tls_verify_certificates is empty (OUTGATE_AUTHORITIES): "
		    "no gateway's certificate can be verified (P5)");
	else if (value[0] == '/' && !og_doctor_may(doctor, value, R_OK))
		og_doctor_say(doctor, OG_SICK, AREA,
		    "tls_verify_certificates: user %s cannot read %s",
		    doctor->config.directory.user, value);
}

/* The module hides a server's words in what is marked. */
static void
examine_mark(struct og_doctor *doctor, const char *option, const char *path)
{
	/* a header line: it stands at the beginning */
	char text[4096];
	FILE *file = fopen(path, "re");
	size_t len = 0;

	if (file != NULL) {
		len = fread(text, 1, sizeof text - 1, file);
		(void)fclose(file);
	}
	text[len] = '\0';
	if (strstr(text, "\nOutgate-Notice:") == NULL)
		og_doctor_say(doctor, OG_SICK, AREA,
		    "%s: %s lacks the header line Outgate-Notice: the user "
		    "reads what any server said before a login (P10)",
		    option, path);
}

/* What a bounce or a warning of a gateway's message says. */
static void
examine_text(struct og_doctor *doctor, const struct og_view *site,
    const char *option)
{
	static const char before[] = "way=gateway }{";
	const char *value = og_option(&site->options, NULL, option);
	const char *at = value != NULL ? strstr(value, before) : NULL;
	char path[PATH_MAX];

	/* another form is another check's finding */
	if (at == NULL)
		return;
	at += strlen(before);
	(void)snprintf(path, sizeof path, "%.*s", (int)strcspn(at, "}"), at);
	if (!og_doctor_may(doctor, path, R_OK))
		og_doctor_say(doctor, OG_SICK, AREA,
		    "%s: user %s cannot read %s", option,
		    doctor->config.directory.user, path);
	else
		examine_mark(doctor, option, path);
}

/* Everything together. */

static void
examine_view(
    struct og_doctor *doctor, const struct og_view *site, const char *spool)
{
	struct og_view reference = { 0 };
	enum og_status status;
	struct og_error err;
	char file[32] = "";
	int fd;

	status = og_reference(&site->macros, spool, &fd, &err);
	if (status == OG_OK) {
		(void)snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
		status = og_view_read(doctor->exim, file, &reference, &err);
	}
	if (status == OG_OK) {
		og_doctor_module(doctor, site, &reference, file);
		examine_authorities(doctor, &reference);
		og_doctor_compare(doctor, site, &reference);
	} else {
		og_doctor_say(doctor, OG_SICK, AREA,
		    "outgate's own text cannot be compared with: %s", err.text);
	}
	og_view_free(&reference);
	if (fd >= 0)
		(void)close(fd);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

/* As the user who owns it: root would follow him anywhere. */
static void
run_remove(const void *in, void *out)
{
	int *result = out;

	*result = nftw(in, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* With a spool in which Exim can write as the user it runs as. */
static void
with_spool(struct og_doctor *doctor, const struct og_view *site)
{
	const struct passwd *account = find_user(site);
	char spool[] = "/tmp/outgate-doctor.XXXXXX";
	char user[OG_USER_SIZE];
	int result = 0;
	const struct og_errand errand = { run_remove, spool, &result,
		sizeof result, REMOVE_MS };
	struct og_error err;

	if (account != NULL &&
	    og_text_copy(user, sizeof user, account->pw_name,
		strlen(account->pw_name)) &&
	    mkdtemp(spool) != NULL &&
	    chown(spool, account->pw_uid, account->pw_gid) == 0) {
		examine_view(doctor, site, spool);
		if (og_doctor_as_user(user, &errand, &err) == OG_OK &&
		    result == 0)
			return;
	}
	og_doctor_say(doctor, OG_SICK, AREA,
	    "%s: no spool can be made and removed there for user %s", spool,
	    account != NULL ? account->pw_name : "unknown");
}

void
og_doctor_exim(struct og_doctor *doctor)
{
	struct og_view site;
	struct og_error err;

	if (!examine_binary(doctor))
		return;
	if (og_view_read(doctor->exim, NULL, &site, &err) != OG_OK) {
		og_doctor_say(doctor, OG_SICK, AREA,
		    "Exim refuses its configuration: %s", err.text);
		return;
	}
	if (doctor->has_config) {
		examine_user(doctor, &site);
		examine_environment(doctor, &site);
	}
	examine_timeout(doctor, &site);
	examine_text(doctor, &site, "bounce_message_file");
	examine_text(doctor, &site, "warn_message_file");
	with_spool(doctor, &site);
	og_doctor_acl(doctor, &site);
	og_view_free(&site);
}
