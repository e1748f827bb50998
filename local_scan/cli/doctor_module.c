/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_module.c - does Exim load the module, and is it the right one?
 *
 * Exim itself is asked: it pretends to receive a message (-bh) and calls the
 * functions (-be), with a configuration and a spool of the doctor's own.
 * Nothing is sent, and nothing of the site's is written.
 */
#include "cli/doctor_exim.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA "module"

/* What ${dlfunc} calls; exim/outgate.map. */
static const char *const functions[] = { "outgate_event", "outgate_logged_in", "outgate_login",
	"outgate_may_try", "outgate_password", "outgate_refused",
	"outgate_route" };
#define N_FUNCTIONS (sizeof functions / sizeof functions[0])

/* "" when the routers call none */
static void
find_module(const struct og_view *reference, char path[PATH_MAX])
{
	static const char before[] = "${dlfunc{";
	const char *line = NULL;
	const char *at = NULL;

	while (at == NULL &&
	       (line = og_lines_next(&reference->drivers, line)) != NULL)
		at = strstr(line, before);
	path[0] = '\0';
	if (at != NULL) {
		at += strlen(before);
		(void)snprintf(
		    path, PATH_MAX, "%.*s", (int)strcspn(at, "}"), at);
	}
}

/* Root's alone to change: what is in it runs as root, and sees passwords. */
static bool
examine_file(struct og_doctor *doctor, const char *path)
{
	char real[PATH_MAX];
	struct stat st;

	if (path[0] != '/') {
		og_doctor_say(doctor, OG_SICK, AREA,
		    "'%s': an absolute path is needed (OUTGATE_MODULE)", path);
		return false;
	}
	if (realpath(path, real) == NULL || stat(real, &st) != 0) {
		og_doctor_say(doctor, OG_SICK, AREA,
		    "%s: %s: every submission gets 451 (make install)", path,
		    strerror(errno));
		return false;
	}
	og_doctor_parents(doctor, AREA, path);
	if (strcmp(path, real) != 0)
		og_doctor_parents(doctor, AREA, real);
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) != 0)
		og_doctor_say(doctor, OG_SICK, AREA,
		    "%s: must be a file of root's that nobody else can change "
		    "(chown root, chmod 0644)",
		    real);
	if (!og_doctor_may(doctor, path, R_OK))
		og_doctor_say(doctor, OG_SICK, AREA,
		    "%s: user %s cannot read it (chmod 0644)", path,
		    doctor->config.directory.user);
	return true;
}

/* Is local_scan() of outgate compiled in?  Its log line is in the binary. */
static bool
is_compiled_in(const char *exim)
{
	static const char line[] = "outgate: way=";
	struct stat st;
	void *at = MAP_FAILED;
	bool found = false;
	FILE *file = fopen(exim, "re");

	if (file == NULL)
		return false;
	if (fstat(fileno(file), &st) == 0 && st.st_size > 0)
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
		    fileno(file), 0);
	if (at != MAP_FAILED) {
		found =
		    memmem(at, (size_t)st.st_size, line, strlen(line)) != NULL;
		(void)munmap(at, (size_t)st.st_size);
	}
	(void)fclose(file);
	return found;
}

/* Does Exim look at messages with the module? */
static void
examine_path(
    struct og_doctor *doctor, const struct og_view *site, const char *module)
{
	const char *path = og_option(&site->options, NULL, "local_scan_path");

	if (path == NULL && is_compiled_in(doctor->exim))
		og_doctor_say(doctor, OG_HEALTHY, AREA,
		    "outgate's local_scan() is compiled into %s", doctor->exim);
	else if (path == NULL)
		og_doctor_say(doctor, OG_SICK, AREA,
		    "%s knows no local_scan_path and has no local_scan() of "
		    "outgate's: no message is looked at (make static)",
		    doctor->exim);
	else if (path[0] == '\0')
		og_doctor_say(doctor, OG_SICK, AREA,
		    "local_scan_path is not set: no message is looked at (P3)");
	else if (strcmp(path, module) != 0)
		og_doctor_say(doctor, OG_SICK, AREA,
		    "local_scan_path is %s, and the routers call %s", path,
		    module);
	else
		og_doctor_say(
		    doctor, OG_HEALTHY, AREA, "local_scan_path is %s", path);
}

/* Exim's log line about what went wrong with the module, or NULL. */
static const char *
find_complaint(struct og_lines *said)
{
	static const char *const about[] = { "dlopen \"", "dlsym \"",
		"local_scan() " };
	const char *line = NULL;
	size_t i;

	while ((line = og_lines_next(said, line)) != NULL) {
		if (strncmp(line, "LOG: ", 5) != 0)
			continue;
		for (i = 0; i < sizeof about / sizeof about[0]; i++) {
			if (strstr(line, about[i]) != NULL)
				return strstr(line, about[i]);
		}
	}
	return NULL;
}

/*
 * Let Exim pretend to receive a message: it loads the module and compares the
 * versions of the interface as it would for a real one.
 */
static void
rehearse(struct og_doctor *doctor, const char *file)
{
	static const char session[] =
	    "EHLO doctor.invalid\r\nMAIL FROM:<a@doctor.invalid>\r\n"
	    "RCPT TO:<b@doctor.invalid>\r\nDATA\r\n"
	    "From: a@doctor.invalid\r\n\r\nText.\r\n.\r\nQUIT\r\n";
	const char *const argv[] = { doctor->exim, "-C", file, "-bh",
		"127.0.0.1", NULL };
	struct og_output output;
	struct og_lines said;
	struct og_error err;
	const char *why;

	if (og_doctor_run(argv, session, &output, &err) != OG_OK) {
		og_doctor_say(doctor, OG_SICK, AREA, "%s", err.text);
		return;
	}
	said = og_lines_cut(output.errors);
	why = find_complaint(&said);
	if (why == NULL && strstr(output.out, "\n250 OK id=") != NULL)
		og_doctor_say(doctor, OG_HEALTHY, AREA,
		    "Exim loads it and gets an answer");
	else
		og_doctor_say(doctor, OG_SICK, AREA, "Exim cannot use it: %s",
		    why != NULL ? why
				: "a message that was to be taken was "
				  "not");
	og_output_free(&output);
}

/* Each function, called without arguments, says that it wants some. */
static void
examine_functions(
    struct og_doctor *doctor, const char *file, const char *module)
{
	char expression[N_FUNCTIONS][PATH_MAX + 64];
	const char *argv[4 + N_FUNCTIONS + 1] = { doctor->exim, "-C", file,
		"-be" };
	struct og_output output;
	struct og_lines said;
	struct og_error err;
	const char *line = NULL;
	bool complete = true;
	size_t i;

	for (i = 0; i < N_FUNCTIONS; i++) {
		(void)snprintf(expression[i], sizeof expression[i],
		    "${dlfunc{%s}{%s}}", module, functions[i]);
		argv[4 + i] = expression[i];
	}
	if (og_doctor_run(argv, "", &output, &err) != OG_OK) {
		og_doctor_say(doctor, OG_SICK, AREA, "%s", err.text);
		return;
	}
	said = og_lines_cut(output.out);
	for (i = 0; i < N_FUNCTIONS; i++) {
		line = og_lines_next(&said, line);
		if (line != NULL && strstr(line, functions[i]) != NULL &&
		    strstr(line, " takes ") != NULL)
			continue;
		complete = false;
		og_doctor_say(doctor, OG_SICK, AREA,
		    "%s: Exim cannot call %s: it is not of this version of "
		    "outgate (make install)",
		    module, functions[i]);
	}
	if (complete)
		og_doctor_say(doctor, OG_HEALTHY, AREA,
		    "Exim can call its %zu functions", N_FUNCTIONS);
	og_output_free(&output);
}

void
og_doctor_module(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference, const char *file)
{
	char module[PATH_MAX];

	find_module(reference, module);
	examine_path(doctor, site, module);
	if (examine_file(doctor, module)) {
		rehearse(doctor, file);
		examine_functions(doctor, file, module);
	}
}
