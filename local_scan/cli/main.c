/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - the `outgate` command: which subcommand, which configuration?
 *
 * The table below is all there is: the usage is printed from it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"

#define VERSION "0.1.0"
/* A name of the directory's, a path, and what is said of them. */
#define COMPLAINT_SIZE (8 * 1024)

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "keygen", og_cli_keygen, "make a key pair for seals or proofs" },
	{ "seal", og_cli_seal, "seal a gateway's password" },
	{ "reseal", og_cli_reseal, "seal all passwords anew, for new keys" },
	{ "explain", og_cli_explain, "tell what would happen to a message" },
	{ "probe", og_cli_probe, "log in at a gateway, send nothing" },
	{ "doctor", og_cli_doctor, "examine what the promises rest on" },
	{ "agent", og_cli_agent, "mail proofs, try gateways, tell their users" },
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

/* Where -C is remembered for the subcommand; NULL without it. */
static const char *named_config;

void
og_cli_complain(const char *format, ...)
{
	char line[COMPLAINT_SIZE];
	va_list args;
	size_t i;

	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	for (i = 0; line[i] != '\0'; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	(void)fprintf(stderr, "outgate: %s\n", line);
}

int
og_cli_usage(const char *format, ...)
{
	va_list args;

	(void)fputs("outgate: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputs("\nTry 'outgate --help'\n", stderr);
	return EX_USAGE;
}

int
og_cli_exit_status(enum og_status status)
{
	switch (status) {
	case OG_OK:
		return EX_OK;
	case OG_EINPUT:
	case OG_ELIMIT:
		return EX_DATAERR;
	case OG_EDENIED:
		return EX_CANTCREAT;
	case OG_ESYSTEM:
		return EX_IOERR;
	}
	return EX_SOFTWARE;
}

/*
 * Put the working directory before a relative path.  Not realpath(): the file
 * must not be a link, which is for the reader of the file to find out.
 */
static bool
make_absolute(const char *path, char out[PATH_MAX])
{
	char here[PATH_MAX] = "";
	int n;

	if (path[0] != '/' && getcwd(here, sizeof here) == NULL)
		return false;
	n = snprintf(
	    out, PATH_MAX, "%s%s%s", here, path[0] == '/' ? "" : "/", path);
	return n > 0 && n < PATH_MAX;
}

static const char *
config_path(void)
{
	return named_config != NULL ? named_config : OG_CONFIG_PATH;
}

enum og_status
og_cli_read_config(
    struct og_config *config, char path[PATH_MAX], struct og_error *err)
{
	if (!make_absolute(config_path(), path)) {
		(void)snprintf(path, PATH_MAX, "%s", config_path());
		return og_fail(
		    err, OG_EINPUT, "%s: no usable path", config_path());
	}
	return og_config_load(path, config, err);
}

bool
og_cli_config(struct og_config *config, bool *present)
{
	const char *path = config_path();
	char absolute[PATH_MAX];
	struct og_error err;

	if (present != NULL) {
		*config = (struct og_config){ 0 };
		*present = named_config != NULL || access(path, F_OK) == 0 ||
			   errno != ENOENT;
		if (!*present)
			return true;
	}
	if (og_cli_read_config(config, absolute, &err) == OG_OK)
		return true;
	og_cli_complain("%s", err.text);
	return false;
}

enum og_status
og_cli_real_path(const char *path, char out[PATH_MAX], struct og_error *err)
{
	if (realpath(path, out) != NULL)
		return OG_OK;
	return og_fail(err, OG_ESYSTEM, "%s: %s", path, strerror(errno));
}

static void
print_usage(FILE *to)
{
	size_t i;

	(void)fputs("usage: outgate [-C FILE] COMMAND [OPTIONS]\n\n", to);
	for (i = 0; i < N_COMMANDS; i++)
		(void)fprintf(
		    to, "  %-10s %s\n", commands[i].name, commands[i].help);
	(void)fprintf(to,
	    "\n  -C FILE    settings other than %s\n"
	    "  --help     this text; after COMMAND: its options\n"
	    "  --version  the version\n",
	    OG_CONFIG_PATH);
}

static int
run_command(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, argv[0]) == 0)
			return commands[i].run(argc, argv);
	}
	return og_cli_usage("'%s' is no command", argv[0]);
}

/* What could not be written was no result: a full disk is a failure. */
static int
finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	og_cli_complain("standard output: %s", strerror(errno));
	return status == EX_OK ? EX_IOERR : status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'C' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	/* '+': what follows the command is the command's */
	while (
	    (option = getopt_long(argc, argv, "+:C:hV", options, NULL)) != -1) {
		switch (option) {
		case 'C':
			named_config = optarg;
			break;
		case 'h':
			print_usage(stdout);
			return finish(EX_OK);
		case 'V':
			(void)puts("outgate " VERSION);
			return finish(EX_OK);
		case ':':
			return og_cli_usage("-C needs a file");
		default:
			return og_cli_usage(
			    "an unknown option before the command");
		}
	}
	if (optind == argc) {
		print_usage(stderr);
		return EX_USAGE;
	}
	return finish(run_command(argc - optind, argv + optind));
}
