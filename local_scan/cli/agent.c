/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent.c - `outgate agent`: the service behind self-service.
 *
 * It runs as a user of its own, which can read the key that signs proofs and
 * the keys of seals, and needs no privilege: root that starts it becomes that
 * user before anything is read from the network.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/agent.h"
#include "cli/agent_mail.h"
#include "cli/cli.h"
#include "core/text.h"
#include "io/file.h"
#include "io/proof.h"

static const char help[] =
    "usage: outgate agent [--once]\n"
    "\n"
    "Examines every gateway when it is new or changed: mails the proof that\n"
    "its address needs, logs in at its server, and writes one sentence for\n"
    "its user into outgateStatus.  Stays and waits for changes.\n"
    "\n"
    "  --once  examine what is due and end, for cron\n";

/* Returns EX_OK, or has told what is wrong. */
static int
read_options(int argc, char **argv, bool *once, bool *wants_help)
{
	static const struct option options[] = {
		{ "once", no_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == 'o')
			*once = true;
		else if (option == 'h')
			*wants_help = true;
		else
			return og_cli_usage("agent: an unknown option");
	}
	if (optind != argc)
		return og_cli_usage("agent: '%s' is no option", argv[optind]);
	return EX_OK;
}

/* Settings. */

/* The directory is asked as the agent, by processes that are the agent. */
static enum og_status
adapt_directory(struct og_config *config, struct og_error *err)
{
	struct og_directory *directory = &config->directory;
	size_t i;

	if (config->n_agent_uris > 0) {
		directory->n_uris = config->n_agent_uris;
		memcpy(
		    directory->uri, config->agent_uri, sizeof directory->uri);
	}
	directory->user[0] = '\0';
	directory->bind = OG_BIND_EXTERNAL;
	if (config->agent_bind_dn[0] != '\0') {
		directory->bind = OG_BIND_SIMPLE;
		memcpy(directory->bind_dn, config->agent_bind_dn,
		    sizeof directory->bind_dn);
		memcpy(directory->bind_password_file,
		    config->agent_bind_password_file,
		    sizeof directory->bind_password_file);
		return OG_OK;
	}
	for (i = 0; i < directory->n_uris; i++) {
		if (strncmp(directory->uri[i], "ldapi://", 8) != 0)
			return og_fail(err, OG_EINPUT,
			    "%s needs agent_bind_dn and "
			    "agent_bind_password_file",
			    directory->uri[i]);
	}
	return OG_OK;
}

/* The site's text, which lives as long as the process, or our own. */
static enum og_status
read_text(
    const struct og_config *config, const char **text, struct og_error *err)
{
	static char own[OG_MAIL_TEXT_SIZE];
	enum og_status status;
	size_t len;

	*text = og_agent_mail_text;
	if (config->agent_text[0] == '\0')
		return OG_OK;
	status = og_file_read(
	    config->agent_text, OG_FILE_PUBLIC, own, sizeof own, &len, err);
	if (status != OG_OK)
		return status;
	status = og_agent_mail_check(own, err);
	if (status == OG_OK && strlen(own) != len)
		status = og_fail(err, OG_EINPUT, "a NUL in it");
	if (status != OG_OK)
		og_error_prefix(err, "%s", config->agent_text);
	*text = own;
	return status;
}

static enum og_status
read_settings(struct og_agent *agent, struct og_error *err)
{
	struct og_config *config = &agent->config;
	enum og_status status = adapt_directory(config, err);
	struct og_text sender;

	if (status != OG_OK)
		return status;
	og_text_start(&sender, agent->sender, sizeof agent->sender);
	if (config->agent_sender[0] != '\0')
		og_text_put(&sender, config->agent_sender);
	else
		og_text_putf(&sender, "postmaster@%s", config->org.domain[0]);
	if (sender.truncated)
		return og_fail(err, OG_EINPUT, "agent_sender is missing");
	(void)snprintf(agent->diary_dir, sizeof agent->diary_dir, "%s/diary",
	    config->agent_state_dir);
	(void)snprintf(agent->memory_dir, sizeof agent->memory_dir, "%s/memory",
	    config->agent_state_dir);
	return OG_OK;
}

/* A key that cannot sign is found out now, not with the first user. */
static enum og_status
check_proof_key(const struct og_config *config, struct og_error *err)
{
	const struct og_claim claim = { config->org.domain[0], "owner",
		"someone@partner.example", "smtp.partner.example", 465 };
	char proof[OG_PROOF_SIZE];
	enum og_status status;

	if (!config->org.proof_required)
		return OG_OK;
	if (config->proof_key[0] == '\0')
		return og_fail(err, OG_EINPUT,
		    "proof_key is missing, and proofs are required");
	status = og_proof_sign(
	    config->proof_dir, config->proof_key, &claim, 1, 2, proof, err);
	if (status == OG_OK &&
	    og_proof_verify(config->proof_dir, &claim, 1, proof, err) != OG_OK)
		status = OG_EINPUT;
	if (status != OG_OK)
		og_error_prefix(err, "proof_key %s", config->proof_key);
	return status;
}

/* Whom it runs as. */

static enum og_status
become(const char *user, struct og_error *err)
{
	const struct passwd *account;

	if (geteuid() != 0)
		return OG_OK;
	account = getpwnam(user);
	if (account == NULL)
		return og_fail(err, OG_EINPUT, "there is no user %s", user);
	if (account->pw_uid == 0)
		return og_fail(
		    err, OG_EINPUT, "the agent does not run as root");
	if (initgroups(account->pw_name, account->pw_gid) != 0 ||
	    setgid(account->pw_gid) != 0 || setuid(account->pw_uid) != 0)
		return og_fail(err, OG_ESYSTEM, "cannot become user %s: %s",
		    user, strerror(errno));
	return OG_OK;
}

/*
 * Its children open seals: no core, no looking in, and nothing of the
 * environment reaches libldap and libcurl (see directory.c).
 */
static enum og_status
seclude(struct og_error *err)
{
	const struct rlimit none = { 0, 0 };

	(void)umask(027);
	if (setrlimit(RLIMIT_CORE, &none) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || clearenv() != 0 ||
	    setenv("LDAPNOINIT", "1", 1) != 0 ||
	    setenv("SASL_PATH", "/nonexistent", 1) != 0)
		return og_fail(err, OG_ESYSTEM, "%s", strerror(errno));
	return OG_OK;
}

/* Notes that cannot be written would be mails and probes without end. */
static enum og_status
check_state_dir(const struct og_agent *agent, struct og_error *err)
{
	const char *dir = agent->config.agent_state_dir;
	struct og_diary *diary = NULL;
	enum og_status status;
	struct stat st;

	if (mkdir(dir, 0750) != 0 && errno != EEXIST)
		return og_fail(err, OG_ESYSTEM, "%s: %s", dir, strerror(errno));
	if (lstat(dir, &st) != 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return og_fail(err, OG_EDENIED,
		    "%s: must be a directory of this user's that nobody else "
		    "can write to",
		    dir);
	status = og_diary_open(agent->diary_dir, &diary, err);
	og_diary_close(diary);
	return status;
}

static int
prepare(struct og_agent *agent)
{
	struct og_error err;
	enum og_status status = read_settings(agent, &err);

	if (status == OG_OK)
		status = become(agent->config.agent_user, &err);
	if (status == OG_OK)
		status = seclude(&err);
	if (status == OG_OK)
		status = read_text(&agent->config, &agent->text, &err);
	if (status == OG_OK)
		status = check_proof_key(&agent->config, &err);
	if (status == OG_OK)
		status = check_state_dir(agent, &err);
	if (status == OG_OK)
		return EX_OK;
	og_cli_complain("agent: %s", err.text);
	return EX_CONFIG;
}

int
og_cli_agent(int argc, char **argv)
{
	static struct og_agent agent;
	bool wants_help = false;
	int status;

	status = read_options(argc, argv, &agent.once, &wants_help);
	if (status != EX_OK)
		return status;
	if (wants_help) {
		(void)fputs(help, stdout);
		return EX_OK;
	}
	if (!og_cli_config(&agent.config, NULL))
		return EX_CONFIG;
	status = prepare(&agent);
	if (status != EX_OK)
		return status;
	return og_agent_loop(&agent);
}
