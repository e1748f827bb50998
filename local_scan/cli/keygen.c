/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keygen.c - `outgate keygen`: a key pair for seals, or one for proofs.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/text.h"
#include "io/proof.h"
#include "io/seal.h"

static const char usage[] =
    "usage: outgate keygen [--dir DIR] [--name NAME] [--group GROUP]\n"
    "                      [--proof]\n\n"
    "Makes NAME.key and NAME.crt, which open and seal passwords, and prints\n"
    "the two paths.  A file that exists is never overwritten.\n\n"
    "  --dir DIR      where; else seal_dir or proof_dir of the settings,\n"
    "                 else /etc/outgate/seal or /etc/outgate/proof; it is\n"
    "                 made (0750) when it is missing\n"
    "  --name NAME    1 to 32 of a-z, 0-9 and '-'; else today's date\n"
    "  --group GROUP  who may read the key (0640) besides its owner, for\n"
    "                 instance Debian-exim; the group of a new DIR, too\n"
    "  --proof        make NAME.key (0600) and NAME.pub, which sign and\n"
    "                 verify proofs, instead\n";

struct request {
	const char *dir;
	const char *name;
	const char *group;
	bool proof;
	bool help;
};

/* Returns EX_OK, or has told what is wrong. */
static int
read_options(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "name", required_argument, NULL, 'n' },
		{ "group", required_argument, NULL, 'g' },
		{ "proof", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			request->dir = optarg;
			break;
		case 'n':
			request->name = optarg;
			break;
		case 'g':
			request->group = optarg;
			break;
		case 'p':
			request->proof = true;
			break;
		case 'h':
			request->help = true;
			break;
		case ':':
			return og_cli_usage(
			    "keygen: %s needs a value", argv[optind - 1]);
		default:
			return og_cli_usage("keygen: an unknown option");
		}
	}
	if (optind != argc)
		return og_cli_usage("keygen: '%s' is no option", argv[optind]);
	return EX_OK;
}

/* A group's name or number; -1 when none was named. */
static enum og_status
find_group(const char *text, long *group, struct og_error *err)
{
	const struct group *found;
	unsigned long number;
	char *end;

	*group = -1;
	if (text == NULL)
		return OG_OK;
	found = getgrnam(text);
	if (found != NULL) {
		*group = (long)found->gr_gid;
		return OG_OK;
	}
	errno = 0;
	number = strtoul(text, &end, 10);
	/* the highest number means "leave it" to chown */
	if (!og_text_is_digit(text[0]) || *end != '\0' || errno != 0 ||
	    number >= UINT32_MAX)
		return og_fail(err, OG_EINPUT, "there is no group '%s'", text);
	*group = (long)number;
	return OG_OK;
}

static bool
default_dir(const struct request *request, char out[OG_PATH_SIZE])
{
	struct og_config config;
	bool present;

	if (!og_cli_config(&config, &present))
		return false;
	if (!present)
		(void)snprintf(out, OG_PATH_SIZE, "%s",
		    request->proof ? "/etc/outgate/proof"
				   : "/etc/outgate/seal");
	else
		(void)snprintf(out, OG_PATH_SIZE, "%s",
		    request->proof ? config.proof_dir : config.seal_dir);
	return true;
}

static enum og_status
make_dir(const char *dir, long group, bool *made, struct og_error *err)
{
	*made = false;
	if (mkdir(dir, 0750) != 0) {
		if (errno == EEXIST)
			return OG_OK;
		return og_fail(err, OG_EDENIED, "%s: %s", dir, strerror(errno));
	}
	*made = true;
	if ((group >= 0 && chown(dir, (uid_t)-1, (gid_t)group) != 0) ||
	    chmod(dir, 0750) != 0)
		return og_fail(err, OG_EDENIED, "%s: %s", dir, strerror(errno));
	return OG_OK;
}

static void
today(char out[sizeof "2026-01-01"])
{
	time_t now = time(NULL);
	struct tm day = { 0 };

	if (gmtime_r(&now, &day) == NULL ||
	    strftime(out, sizeof "2026-01-01", "%Y-%m-%d", &day) == 0)
		(void)snprintf(out, sizeof "2026-01-01", "key");
}

static enum og_status
make_pair(const struct request *request, const char *dir, long group,
    struct og_error *err)
{
	enum og_status status;
	char real[PATH_MAX];

	status = og_cli_real_path(dir, real, err);
	if (status != OG_OK)
		return status;
	if (request->proof)
		status = og_proof_keygen(real, request->name, err);
	else
		status = og_seal_keygen(real, request->name, group, err);
	if (status != OG_OK)
		return status;
	(void)printf("%s/%s.key\n%s/%s.%s\n", real, request->name, real,
	    request->name, request->proof ? "pub" : "crt");
	if (!request->proof && group < 0 && geteuid() == 0)
		og_cli_complain("only root can read this key; with --group "
				"the mail server's group can as well");
	return OG_OK;
}

static int
keygen(const struct request *request, const char *dir)
{
	enum og_status status;
	struct og_error err;
	bool made = false;
	long group;

	status = find_group(request->group, &group, &err);
	if (status == OG_OK)
		status = make_dir(dir, group, &made, &err);
	if (status == OG_OK)
		status = make_pair(request, dir, group, &err);
	if (status == OG_OK)
		return EX_OK;
	if (made)
		(void)rmdir(dir);
	og_cli_complain("%s", err.text);
	return og_cli_exit_status(status);
}

int
og_cli_keygen(int argc, char **argv)
{
	struct request request = { 0 };
	char dir[OG_PATH_SIZE];
	char name[sizeof "2026-01-01"];
	int status;

	status = read_options(argc, argv, &request);
	if (status != EX_OK)
		return status;
	if (request.help) {
		(void)fputs(usage, stdout);
		return EX_OK;
	}
	today(name);
	if (request.name == NULL)
		request.name = name;
	if (request.dir != NULL)
		return keygen(&request, request.dir);
	if (!default_dir(&request, dir))
		return EX_CONFIG;
	return keygen(&request, dir);
}
