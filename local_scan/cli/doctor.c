/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor.c - `outgate doctor`: does all that the promises rest on hold here?
 *
 * It looks and changes nothing.  What is looked at is what counts: the
 * configuration as Exim understands it, files as the mail user sees them, each
 * server of the directory as that user is known to it.
 */
#include "cli/doctor.h"

#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"

#define SENTENCE_SIZE 2048

static const char usage[] =
    "usage: outgate doctor [--exim PATH]\n\n"
    "Examines settings, keys, Exim's configuration and the directory, and\n"
    "says in a line each what is as it must be and what to mend.  Exits with\n"
    "1 when a line says FAILED, with 78 when the settings cannot be used.\n\n"
    "  --exim PATH  Exim's binary; else /usr/sbin/exim4 or /usr/sbin/exim\n";

void
og_doctor_say(struct og_doctor *doctor, enum og_health health, const char *area,
    const char *format, ...)
{
	static const struct {
		const char *word, *colour;
	} row[] = {
		[OG_HEALTHY] = { "ok", "\033[32m" },
		[OG_DOUBTFUL] = { "warning", "\033[33m" },
		[OG_SICK] = { "FAILED", "\033[1;31m" },
	};
	char sentence[SENTENCE_SIZE];
	va_list args;
	char *at;

	if (health == OG_SICK)
		doctor->n_failed++;
	va_start(args, format);
	(void)vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	/* servers and files have a say in it: no orders to the terminal */
	for (at = sentence; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
	(void)printf("%s%-8s%s%-10s %s\n",
	    doctor->colour ? row[health].colour : "", row[health].word,
	    doctor->colour ? "\033[0m" : "", area, sentence);
	/* else a child prints it once more */
	(void)fflush(stdout);
}

/* Returns EX_OK, or has told what is wrong. */
static int
read_options(int argc, char **argv, struct og_doctor *doctor, bool *help)
{
	static const struct option options[] = {
		{ "exim", required_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'e':
			doctor->exim = optarg;
			break;
		case 'h':
			*help = true;
			break;
		case ':':
			return og_cli_usage("doctor: --exim needs a path");
		default:
			return og_cli_usage("doctor: an unknown option");
		}
	}
	if (optind != argc)
		return og_cli_usage("doctor: '%s' is no option", argv[optind]);
	if (doctor->exim != NULL && doctor->exim[0] != '/')
		return og_cli_usage("doctor: --exim needs an absolute path");
	return EX_OK;
}

static void
examine_settings(struct og_doctor *doctor, char path[PATH_MAX])
{
	struct og_error err;

	doctor->path = path;
	doctor->has_config =
	    og_cli_read_config(&doctor->config, path, &err) == OG_OK;
	if (!doctor->has_config) {
		og_doctor_say(doctor, OG_SICK, "settings",
		    "%s; without them nothing is said here about files and "
		    "directory",
		    err.text);
		return;
	}
	og_doctor_say(doctor, OG_HEALTHY, "settings", "%s can be used", path);
	doctor->has_user = getpwnam(doctor->config.directory.user) != NULL;
	if (!doctor->has_user)
		og_doctor_say(doctor, OG_SICK, "settings",
		    "user: there is no user %s on this host; without him "
		    "nothing is said here about files and directory",
		    doctor->config.directory.user);
	if (!doctor->config.org.proof_required)
		og_doctor_say(doctor, OG_DOUBTFUL, "settings",
		    "proof none: nobody has to show that an external address "
		    "is his; right only where users cannot write their own "
		    "gateways");
}

static int
examine(struct og_doctor *doctor)
{
	char path[PATH_MAX] = "";

	if (geteuid() != 0) {
		og_doctor_say(doctor, OG_SICK, "doctor",
		    "run it as root: it has to see what Exim's user sees, "
		    "and what others must not");
		return EXIT_FAILURE;
	}
	examine_settings(doctor, path);
	if (doctor->has_user)
		og_doctor_files(doctor);
	og_doctor_exim(doctor);
	if (doctor->has_user)
		og_doctor_directory(doctor);
	if (!doctor->has_config)
		return EX_CONFIG;
	return doctor->n_failed == 0 ? EX_OK : EXIT_FAILURE;
}

int
og_cli_doctor(int argc, char **argv)
{
	static const struct rlimit no_core = { 0, 0 };
	struct og_doctor doctor = { 0 };
	bool help = false;
	int status;

	status = read_options(argc, argv, &doctor, &help);
	if (status != EX_OK)
		return status;
	if (help) {
		(void)fputs(usage, stdout);
		return EX_OK;
	}
	if (doctor.exim == NULL)
		doctor.exim = access("/usr/sbin/exim4", X_OK) == 0
				  ? "/usr/sbin/exim4"
				  : "/usr/sbin/exim";
	doctor.colour = isatty(STDOUT_FILENO) == 1;
	/* Exim's configuration may hold passwords of the site's */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	return examine(&doctor);
}
