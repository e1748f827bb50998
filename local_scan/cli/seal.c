/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seal.c - `outgate seal`: a password in the form the directory stores.
 *
 * The password comes from a terminal or from standard input and from nowhere
 * else: an argument can be read by every user of the machine, and stays in the
 * shell's history.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "cli/ldif.h"
#include "cli/tty.h"
#include "core/gateway.h"
#include "core/record.h"
#include "io/seal.h"

static const char usage[] =
    "usage: outgate seal --owner OWNER --host HOST --login LOGIN\n"
    "                    [--port PORT] [--tls implicit|starttls]\n"
    "                    [--dn DN] [--certs DIR]\n\n"
    "Seals a gateway's password and prints the value of outgatePassword.  The\n"
    "password is asked for, or is the one line of standard input.  The value\n"
    "opens for this owner and these settings only.\n\n"
    "  --owner OWNER  the entryUUID of the user's entry, or what\n"
    "                 owner_attribute names\n"
    "  --host HOST    the gateway's outgateHost, outgateLogin, outgatePort\n"
    "  --login LOGIN  and outgateTLS; without --tls implicit, without --port\n"
    "  --port PORT    465, or 587 for starttls\n"
    "  --tls MODE\n"
    "  --dn DN        print LDIF that stores the value in this entry\n"
    "  --certs DIR    seal for the certificates (*.crt) in DIR; else seal_dir\n"
    "                 of the configuration, else /etc/outgate/seal\n";

struct request {
	const char *owner;
	const char *host;
	const char *port;
	const char *tls;
	const char *login;
	const char *dn;
	const char *certs;
	bool help;
};

static int
refuse_argument(void)
{
	return og_cli_usage(
	    "seal: a password is never an argument, because every user of this "
	    "machine could read it: type it when asked or give it on standard "
	    "input, and change it if this was one");
}

static int
missing(const struct request *request)
{
	if (request->owner == NULL)
		return og_cli_usage("seal: --owner is missing");
	if (request->host == NULL)
		return og_cli_usage("seal: --host is missing");
	if (request->login == NULL)
		return og_cli_usage("seal: --login is missing");
	return EX_OK;
}

/* Returns EX_OK, or has told what is wrong. */
static int
read_options(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
		{ "owner", required_argument, NULL, 'o' },
		{ "host", required_argument, NULL, 'H' },
		{ "port", required_argument, NULL, 'p' },
		{ "tls", required_argument, NULL, 't' },
		{ "login", required_argument, NULL, 'l' },
		{ "dn", required_argument, NULL, 'd' },
		{ "certs", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		/* known so that it can be refused with the reason */
		{ "password", optional_argument, NULL, 'P' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			request->owner = optarg;
			break;
		case 'H':
			request->host = optarg;
			break;
		case 'p':
			request->port = optarg;
			break;
		case 't':
			request->tls = optarg;
			break;
		case 'l':
			request->login = optarg;
			break;
		case 'd':
			request->dn = optarg;
			break;
		case 'c':
			request->certs = optarg;
			break;
		case 'h':
			request->help = true;
			return EX_OK;
		case 'P':
			return refuse_argument();
		case ':':
			return og_cli_usage("seal: an option lacks its value");
		default:
			return og_cli_usage("seal: an unknown option");
		}
	}
	if (optind != argc)
		return refuse_argument();
	return missing(request);
}

static void
set(struct og_value *value, const char *text)
{
	if (text != NULL)
		og_value_set(value, text, strlen(text));
}

/* The word of the command line for an attribute of the directory. */
static const char *
option_of(const char *attribute)
{
	static const struct {
		const char *attribute, *option;
	} row[] = {
		{ "outgateHost", "--host" },
		{ "outgatePort", "--port" },
		{ "outgateTLS", "--tls" },
		{ "outgateLogin", "--login" },
	};
	size_t i;

	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		if (strcmp(row[i].attribute, attribute) == 0)
			return row[i].option;
	}
	return attribute;
}

/* By the rules that the directory's values are held to. */
static enum og_status
check_gateway(const struct request *request, struct og_gateway *gateway,
    struct og_error *err)
{
	struct og_gateway_record record = { 0 };
	const char *attribute = "";
	enum og_status status;

	set(&record.host, request->host);
	set(&record.port, request->port);
	set(&record.tls, request->tls);
	set(&record.login, request->login);
	status = og_gateway_check(&record, gateway, &attribute, err);
	if (status != OG_OK)
		og_error_prefix(err, "%s", option_of(attribute));
	return status;
}

/* Where the certificates are when no option says so. */
static bool
default_certs(char out[OG_PATH_SIZE])
{
	struct og_config config;
	bool present;

	if (!og_cli_config(&config, &present))
		return false;
	(void)snprintf(out, OG_PATH_SIZE, "%s",
	    present ? config.seal_dir : "/etc/outgate/seal");
	return true;
}

static enum og_status
seal(const struct request *request, char sealed[OG_SEALED_SIZE],
    struct og_error *err)
{
	struct og_secret secret = { 0 };
	struct og_gateway gateway;
	enum og_status status;
	char dir[PATH_MAX];
	/* the two, and the words around them */
	char what[OG_VALUE_SIZE + OG_HOST_SIZE + 32];

	status = check_gateway(request, &gateway, err);
	if (status == OG_OK)
		status = og_cli_real_path(request->certs, dir, err);
	if (status == OG_OK) {
		(void)snprintf(what, sizeof what, "the password of %s at %s",
		    gateway.login, gateway.host);
		status = og_cli_read_secret(what, &secret, err);
	}
	if (status == OG_OK)
		status = og_seal_close(
		    dir, request->owner, &gateway, &secret, sealed, err);
	og_secret_wipe(&secret);
	return status;
}

static void
print_change(const char *dn, const char *sealed)
{
	og_ldif_put(stdout, "dn", dn);
	og_ldif_put(stdout, "changetype", "modify");
	og_ldif_put(stdout, "replace", "outgatePassword");
	og_ldif_put(stdout, "outgatePassword", sealed);
	(void)puts("-\n");
}

int
og_cli_seal(int argc, char **argv)
{
	static const struct rlimit no_core = { 0, 0 };
	struct request request = { 0 };
	char sealed[OG_SEALED_SIZE];
	char certs[OG_PATH_SIZE];
	enum og_status status;
	struct og_error err;
	int usage_status;

	usage_status = read_options(argc, argv, &request);
	if (usage_status != EX_OK)
		return usage_status;
	if (request.help) {
		(void)fputs(usage, stdout);
		return EX_OK;
	}
	if (request.certs == NULL) {
		if (!default_certs(certs))
			return EX_CONFIG;
		request.certs = certs;
	}
	/* a core file would hold the password */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	status = seal(&request, sealed, &err);
	if (status != OG_OK) {
		og_cli_complain("%s", err.text);
		return og_cli_exit_status(status);
	}
	if (request.dn != NULL)
		print_change(request.dn, sealed);
	else
		(void)puts(sealed);
	return EX_OK;
}
