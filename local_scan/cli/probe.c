/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.c - "outgate probe": does a user's gateway let the user in?
 *
 * The module's own code says whether there is a gateway to use, as for a
 * message; then the seal is opened and the login tried, once.  It is all done
 * as Exim's user: what it may read is what a delivery may, and what it
 * remembers a delivery finds.
 */
#include "cli/probe.h"

#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/text.h"
#include "io/memory.h"
#include "io/resolve.h"

#define TIMEOUT_S_DEFAULT "30"
#define SENTENCE_SIZE (OG_HOST_SIZE + 128)

static const char help[] =
    "usage: outgate probe --login LOGIN [--address ADDRESS] [--again]\n"
    "                     [--timeout SECONDS]\n"
    "\n"
    "Logs in at the gateway of this user as a delivery would, says MAIL FROM,\n"
    "and sends nothing.  A login that the server has refused is remembered,\n"
    "and not tried again with the same password.\n"
    "\n"
    "  --login LOGIN      the SMTP AUTH user name at the organisation's "
    "server\n"
    "  --address ADDRESS  which From address; needed when the user has "
    "several\n"
    "  --again            try a password that has been refused before\n"
    "  --timeout SECONDS  for all of it; without it " TIMEOUT_S_DEFAULT "\n"
    "\n"
    "Exits with 0 when the gateway is ready, 69 when its server cannot be "
    "used,\n"
    "75 when it may be another time, 76 when it speaks no SMTP, and 77 when "
    "the\n"
    "login, the sender or the gateway itself is refused.\n";

struct options {
	const char *login;
	const char *address; /* NULL: the only one */
	bool again;
	int timeout_s;
	bool help;
};

/* 2 to 300, no sign, blank or leading zero */
static bool
read_seconds(const char *text, int *seconds)
{
	int n = 0;
	size_t i;

	for (i = 0; og_text_is_digit(text[i]) && i < 3; i++)
		n = n * 10 + (text[i] - '0');
	*seconds = n;
	return text[i] == '\0' && text[0] != '0' && n >= 2 && n <= 300;
}

static bool
read_options(int argc, char **argv, struct options *read)
{
	static const struct option options[] = {
		{ "login", required_argument, NULL, 'l' },
		{ "address", required_argument, NULL, 'a' },
		{ "again", no_argument, NULL, 'g' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*read = (struct options){ .login = NULL };
	(void)read_seconds(TIMEOUT_S_DEFAULT, &read->timeout_s);
	optind = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'l')
			read->login = optarg;
		else if (c == 'a')
			read->address = optarg;
		else if (c == 'g')
			read->again = true;
		else if (c == 'h')
			read->help = true;
		else if (c != 't' || !read_seconds(optarg, &read->timeout_s))
			return false;
	}
	return read->help || (read->login != NULL && optind == argc);
}

/*
 * For good, and before anything of the network is read: a state directory of
 * root's would be closed to Exim, and nothing a server says is parsed as root.
 */
static bool
become(const char *user)
{
	static const struct rlimit no_core = { 0, 0 };
	const struct passwd *account;

	if (geteuid() == 0) {
		account = getpwnam(user);
		if (account == NULL ||
		    initgroups(account->pw_name, account->pw_gid) != 0 ||
		    setgid(account->pw_gid) != 0 ||
		    setuid(account->pw_uid) != 0)
			return false;
	}
	/* P9: a core file would hold the password */
	return setrlimit(RLIMIT_CORE, &no_core) == 0 &&
	       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* One probe on its way. */
struct errand {
	const struct options *options;
	struct og_config config;
	struct og_facts facts;
	struct og_records records;
	struct og_decision decision;
};

/* The user's only address, when none is named. */
static int
find_address(struct errand *errand)
{
	const struct og_question question = { .login = errand->facts.login,
		.from = &errand->facts.from };
	struct og_records *records = &errand->records;
	struct og_error why = { "" };

	og_directory_read(&errand->config.directory, &question, records, &why);
	if (records->user == OG_UNAVAILABLE ||
	    records->mention == OG_UNAVAILABLE) {
		og_cli_complain("%s", why.text);
		return EX_TEMPFAIL;
	}
	if (records->user == OG_ABSENT) {
		og_cli_complain("the directory has no entry for this login");
		return EX_NOPERM;
	}
	if (records->n_addresses == 0) {
		og_cli_complain("this user has no outbound gateway");
		return EX_NOPERM;
	}
	if (records->n_addresses > 1)
		return og_cli_usage("probe: this user has %zu addresses; name "
				    "one with --address",
		    records->n_addresses);
	memcpy(errand->facts.from.address, records->address,
	    sizeof errand->facts.from.address);
	*records = (struct og_records){ 0 };
	return EX_OK;
}

static int
read_facts(struct errand *errand)
{
	struct og_facts *facts = &errand->facts;
	const char *address = errand->options->address;
	int code = EX_OK;

	facts->submission = true;
	if (!og_text_copy(facts->login, sizeof facts->login,
		errand->options->login, strlen(errand->options->login)))
		return og_cli_usage(
		    "a login has at most %zu octets", sizeof facts->login - 1);
	if (address == NULL)
		code = find_address(errand);
	else if (!og_address_valid(address, strlen(address)) ||
		 !og_text_copy(facts->from.address, sizeof facts->from.address,
		     address, strlen(address)))
		return og_cli_usage("probe: --address is no plain address");
	facts->from.state = OG_FROM_READ;
	return code;
}

/* A reply without its enhanced status code. */
static const char *
sentence(const char *reply)
{
	const char *blank = strchr(reply, ' ');

	return blank != NULL ? blank + 1 : reply;
}

/*
 * Decide as for a message.  Two things are no obstacle here: what the module
 * would not do for want of a proof is only told, and an administrator may
 * insist on a password that was refused.
 */
static void
decide(struct errand *errand)
{
	struct og_config *config = &errand->config;
	struct og_decision *decision = &errand->decision;
	struct og_error why;

	config->org.refuse_unlisted = config->org.refuse_forbidden = true;
	og_resolve(config, &errand->facts, &errand->records, decision, &why);
	if (decision->reason == OG_WHY_UNPROVED) {
		og_cli_complain("warning: %s", sentence(decision->reply));
		config->org.proof_required = false;
		og_resolve(
		    config, &errand->facts, &errand->records, decision, &why);
	}
	if (errand->options->again && errand->records.refused == OG_FOUND) {
		errand->records.refused = OG_ABSENT;
		og_decide(
		    &config->org, &errand->facts, &errand->records, decision);
	}
	if (why.text[0] != '\0')
		og_cli_complain("%s", why.text);
}

/* Why there is nothing to probe. */
static int
explain_refusal(const struct errand *errand)
{
	const char *reply = errand->decision.reply;

	switch (errand->decision.action) {
	case OG_DEFER:
		(void)puts(sentence(reply));
		return EX_TEMPFAIL;
	case OG_REFUSE:
		(void)puts(sentence(reply));
		break;
	case OG_ORG:
		printf("%s: %s\n", errand->facts.from.address,
		    errand->decision.reason == OG_WHY_NO_ENTRY
			? "the directory has no entry for this login"
			: "this address is the organisation's own");
		break;
	case OG_GATEWAY:
		break;
	}
	return EX_NOPERM;
}

static int
exit_status(enum og_probe_result result)
{
	switch (result) {
	case OG_PROBE_READY:
		return EX_OK;
	case OG_PROBE_REFUSED:
	case OG_PROBE_SENDER:
		return EX_NOPERM;
	case OG_PROBE_LATER:
		return EX_TEMPFAIL;
	case OG_PROBE_TLS:
	case OG_PROBE_NO_AUTH:
	case OG_PROBE_UNREACHABLE:
	case OG_PROBE_FORBIDDEN:
		return EX_UNAVAILABLE;
	case OG_PROBE_ODD:
		return EX_PROTOCOL;
	}
	return EX_SOFTWARE;
}

/* Log in, and remember when that was refused. */
static int
run(const struct errand *errand, const struct og_use *use,
    const struct og_secret *secret)
{
	const char *networks[OG_OWN_NETWORKS_MAX + 1];
	const struct og_probe probe = {
		.gateway = use->gateway,
		.secret = secret,
		.address = errand->facts.from.address,
		.ca_file = errand->config.gateway_ca_file,
		.timeout_ms = errand->options->timeout_s * 1000,
		.networks = networks,
	};
	char said[SENTENCE_SIZE];
	enum og_probe_result result;
	struct og_error why;

	og_probe_networks(&errand->config, networks);
	result = og_probe_run(&probe, &why);
	if (why.text[0] != '\0')
		og_cli_complain("%s", why.text);
	if (result == OG_PROBE_REFUSED &&
	    og_memory_refuse(errand->config.state_dir, use, secret, &why) !=
		OG_OK)
		og_cli_complain("%s", why.text);
	og_probe_sentence(result, use->gateway, said, sizeof said);
	(void)puts(said);
	return exit_status(result);
}

/* Open the seal; the secret is wiped before it returns. */
static int
open_and_run(const struct errand *errand)
{
	const struct og_config *config = &errand->config;
	const struct og_use use = {
		.owner = errand->records.owner,
		.gateway = &errand->decision.gateway,
		.sealed = errand->records.entry.password,
	};
	struct og_secret secret;
	struct og_error why;
	enum og_status status = og_seal_open(config->seal_dir, use.owner,
	    use.gateway, use.sealed, &secret, &why);
	int code;

	if (status != OG_OK) {
		og_cli_complain("%s", why.text);
		(void)puts(
		    status == OG_ESYSTEM
			? "the password cannot be opened here"
			: "outgatePassword: the stored password does not fit "
			  "the outbound gateway's settings any more; enter it "
			  "again");
		code = status == OG_ESYSTEM ? EX_IOERR : EX_NOPERM;
	} else if (!errand->options->again &&
		   og_memory_refused_secret(config->state_dir, &use, &secret)) {
		(void)puts("outgatePassword: your outbound gateway's server "
			   "refused this login and password; enter the right "
			   "ones");
		code = EX_NOPERM;
	} else
		code = run(errand, &use, &secret);
	og_secret_wipe(&secret);
	return code;
}

int
og_cli_probe(int argc, char **argv)
{
	static struct errand errand;
	struct options options;
	int code;

	if (!read_options(argc, argv, &options))
		return og_cli_usage("probe --login LOGIN [--address ADDRESS] "
				    "[--again] [--timeout SECONDS]");
	if (options.help) {
		(void)fputs(help, stdout);
		return EX_OK;
	}
	errand.options = &options;
	if (!og_cli_config(&errand.config, NULL))
		return EX_CONFIG;
	if (!become(errand.config.directory.user)) {
		og_cli_complain(
		    "cannot become user '%s'", errand.config.directory.user);
		return EX_OSERR;
	}
	code = read_facts(&errand);
	if (code != EX_OK)
		return code;
	decide(&errand);
	if (errand.decision.action != OG_GATEWAY)
		return explain_refusal(&errand);
	return open_and_run(&errand);
}
