/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reseal.c - `outgate reseal`: every password for the certificates of today.
 *
 * For a change of keys.  The gateways are read as the mail hosts read them;
 * what is sealed for other certificates than those there are now is opened with
 * the key it needs, sealed anew, and printed as a change for ldapmodify.
 * Nothing is written: the account of the mail hosts may not, and should not.
 *
 * A change carries an assertion (RFC 4528) that the entry is as it was read, so
 * that it never overwrites a password that was typed in the meantime.
 */
#include "cli/cli.h"

#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/ldif.h"
#include "core/base64.h"
#include "core/gateway.h"
#include "core/sealed.h"
#include "core/text.h"
#include "io/ldap.h"
#include "io/seal.h"

/* For each answer of the directory; it may be a busy one. */
#define ANSWER_S 60
#define ASSERTION_OID "1.3.6.1.1.12"
/* "entryCSN", its value, and the lengths around them */
#define ASSERTION_SIZE (OG_VALUE_SIZE + 16)

static const char usage[] =
    "usage: outgate reseal [--count] [--certs DIR]\n\n"
    "Prints changes for ldapmodify that seal every password for the\n"
    "certificates in seal_dir, each opened with the key in there that it\n"
    "needs.  What is sealed for just these already is left out.  Exits with\n"
    "65 when a password could not be opened; standard error names it.\n\n"
    "  --count        print for each key how many passwords it opens, and how\n"
    "                 many of them no other key does; nothing is opened\n"
    "  --certs DIR    seal for the certificates (*.crt) in DIR instead\n";

struct request {
	const char *certs;
	bool count;
	bool help;
};

/* What has been found so far. */
struct tally {
	const struct og_config *config;
	const struct request *request;
	const char *certs;
	size_t n;     /* passwords */
	size_t right; /* sealed for these certificates and no others */
	size_t done;
	size_t failed;
	size_t unsealed;
	size_t lost; /* for none of the keys here */
	/* for each key: opens, and is the only one that does */
	struct og_keydir keys;
	size_t opens[OG_KEYDIR_MAX];
	size_t alone[OG_KEYDIR_MAX];
};

/* Returns EX_OK, or has told what is wrong. */
static int
read_options(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
		{ "count", no_argument, NULL, 'n' },
		{ "certs", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			request->count = true;
			break;
		case 'c':
			request->certs = optarg;
			break;
		case 'h':
			request->help = true;
			return EX_OK;
		case ':':
			return og_cli_usage("reseal: --certs needs a value");
		default:
			return og_cli_usage("reseal: an unknown option");
		}
	}
	if (optind != argc)
		return og_cli_usage("reseal: '%s' is no option", argv[optind]);
	return EX_OK;
}

/*
 * Be whom the mail server is: the directory knows that account, the keys are
 * readable to it, and nothing from the network is parsed as root.
 */
static enum og_status
become_user(const struct og_config *config, struct og_error *err)
{
	static const struct rlimit none = { 0, 0 };
	const char *user = config->directory.user;
	const struct passwd *account;

	if (clearenv() != 0 || setenv("LDAPNOINIT", "1", 1) != 0 ||
	    setrlimit(RLIMIT_CORE, &none) != 0)
		return og_fail(err, OG_ESYSTEM, "no clean environment");
	if (geteuid() == 0 && user[0] != '\0') {
		account = getpwnam(user);
		if (account == NULL)
			return og_fail(
			    err, OG_EINPUT, "there is no user '%s'", user);
		if (initgroups(user, account->pw_gid) != 0 ||
		    setgid(account->pw_gid) != 0 ||
		    setuid(account->pw_uid) != 0)
			return og_fail(
			    err, OG_ESYSTEM, "cannot become user '%s'", user);
	}
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return OG_OK;
}

/* libldap waits for ever on a silent server. */
static void
give_up(int number)
{
	static const char text[] = "outgate: the directory does not answer\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(EX_TEMPFAIL);
}

static void
fail(struct tally *tally, const struct og_ldap_password *password,
    const char *why)
{
	tally->failed++;
	og_cli_complain("%s: %s", password->dn, why);
}

/* The filter (entryCSN=stamp) in BER (RFC 4511, 4.5.1: equalityMatch). */
static bool
put_assertion(struct og_text *out, const char *stamp)
{
	static const char attribute[] = "entryCSN";
	uint8_t ber[ASSERTION_SIZE];
	size_t name_len = strlen(attribute);
	size_t stamp_len = strlen(stamp);
	size_t n = 0;

	/* lengths of one octet: a CSN has 40 */
	if (stamp_len == 0 || stamp_len > 100)
		return false;
	ber[n++] = 0xa3;
	ber[n++] = (uint8_t)(name_len + stamp_len + 4);
	ber[n++] = 0x04;
	ber[n++] = (uint8_t)name_len;
	memcpy(ber + n, attribute, name_len);
	n += name_len;
	ber[n++] = 0x04;
	ber[n++] = (uint8_t)stamp_len;
	memcpy(ber + n, stamp, stamp_len);
	n += stamp_len;
	og_text_put(out, ASSERTION_OID " true:: ");
	og_base64_put(out, OG_BASE64_PLAIN, ber, n);
	return !out->truncated;
}

static void
print_change(const struct og_ldap_password *password, const char *sealed)
{
	char control[2 * ASSERTION_SIZE];
	struct og_text text;

	og_text_start(&text, control, sizeof control);
	og_ldif_put(stdout, "dn", password->dn);
	if (put_assertion(&text, password->stamp))
		og_ldif_put(stdout, "control", control);
	og_ldif_put(stdout, "changetype", "modify");
	og_ldif_put(stdout, "replace", "outgatePassword");
	og_ldif_put(stdout, "outgatePassword", sealed);
	(void)puts("-\n");
	/* ldapmodify does what it has got, half a value too */
	(void)fflush(stdout);
}

static enum og_status
seal_anew(const struct tally *tally, const struct og_ldap_password *password,
    char sealed[OG_SEALED_SIZE], struct og_error *err)
{
	struct og_secret secret = { 0 };
	struct og_gateway gateway;
	const char *attribute;
	enum og_status status;

	status =
	    og_gateway_check(&password->gateway, &gateway, &attribute, err);
	if (status != OG_OK) {
		og_error_prefix(err, "%s", attribute);
		return status;
	}
	status = og_seal_open(tally->config->seal_dir, password->owner,
	    &gateway, password->gateway.password, &secret, err);
	if (status == OG_OK)
		status = og_seal_close(tally->certs, password->owner, &gateway,
		    &secret, sealed, err);
	og_secret_wipe(&secret);
	return status;
}

static bool
is_right(const struct og_seal_holders *holders)
{
	size_t i;

	for (i = 0; i < holders->n; i++) {
		if (!holders->holds[i])
			return false;
	}
	return holders->n_others == 0;
}

static void
reseal(struct tally *tally, const struct og_ldap_password *password)
{
	struct og_seal_holders holders;
	char sealed[OG_SEALED_SIZE];
	struct og_error err;

	if (og_seal_look(tally->certs, password->gateway.password, &holders,
		&err) != OG_OK) {
		fail(tally, password, err.text);
	} else if (is_right(&holders)) {
		tally->right++;
	} else if (password->owner[0] == '\0') {
		fail(tally, password,
		    "the user's entry has no usable owner attribute");
	} else if (seal_anew(tally, password, sealed, &err) != OG_OK) {
		fail(tally, password, err.text);
	} else {
		print_change(password, sealed);
		tally->done++;
	}
}

static void
count(struct tally *tally, const struct og_ldap_password *password)
{
	struct og_seal_holders holders;
	struct og_error err;
	size_t n = 0;
	size_t i;

	if (og_seal_look(tally->certs, password->gateway.password, &holders,
		&err) != OG_OK) {
		fail(tally, password, err.text);
		return;
	}
	for (i = 0; i < holders.n; i++)
		n += holders.holds[i];
	for (i = 0; i < holders.n; i++) {
		tally->opens[i] += holders.holds[i];
		tally->alone[i] += holders.holds[i] && n == 1;
	}
	tally->lost += n == 0;
}

static void
visit(void *context, const struct og_ldap_password *password)
{
	struct tally *tally = context;

	(void)alarm(0);
	tally->n++;
	if (strncmp(password->gateway.password, OG_SEALED_PREFIX,
		strlen(OG_SEALED_PREFIX)) != 0) {
		tally->unsealed++;
		fail(tally, password, "not sealed");
	} else if (tally->request->count) {
		count(tally, password);
	} else {
		reseal(tally, password);
	}
	(void)alarm(ANSWER_S);
}

static void
tell(const struct tally *tally)
{
	size_t i;

	if (!tally->request->count) {
		og_cli_complain("%zu passwords: %zu sealed anew, %zu are right "
				"already, %zu failed",
		    tally->n, tally->done, tally->right, tally->failed);
		return;
	}
	for (i = 0; i < tally->keys.n; i++)
		(void)printf("%s\topens %zu, %zu of them alone\n",
		    tally->keys.name[i], tally->opens[i], tally->alone[i]);
	(void)printf("no key here opens %zu\n", tally->lost);
}

/* Here, so that a directory that cannot be used is told of once. */
static enum og_status
list_keys(struct tally *tally, struct og_error *err)
{
	struct og_keydir names;
	enum og_status status;

	status =
	    og_keydir_list(tally->certs, ".crt", OG_FILE_PUBLIC, &names, err);
	if (status == OG_OK && names.n == 0)
		status = og_fail(err, OG_ESYSTEM, "%s: no certificate (*.crt)",
		    tally->certs);
	if (status == OG_OK)
		tally->keys = names;
	return status;
}

/* The servers in turn, until one has answered at all. */
static enum og_status
visit_all(struct tally *tally, struct og_error *err)
{
	const struct og_directory *directory = &tally->config->directory;
	const struct og_ldap_visitor visitor = { tally, visit };
	enum og_status status = OG_ESYSTEM;
	size_t i;

	(void)signal(SIGALRM, give_up);
	for (i = 0; i < directory->n_uris && tally->n == 0; i++) {
		const struct og_ldap_task task = {
			.directory = directory,
			.uri = directory->uri[i],
			.left_ms = ANSWER_S * 1000,
		};

		(void)alarm(ANSWER_S);
		status = og_ldap_passwords(&task, &visitor, err);
		(void)alarm(0);
		if (status == OG_OK)
			break;
		og_error_prefix(err, "%s", directory->uri[i]);
	}
	return status;
}

static int
run(const struct request *request, const struct og_config *config)
{
	struct tally tally = {
		.config = config,
		.request = request,
		.certs =
		    request->certs != NULL ? request->certs : config->seal_dir,
	};
	struct og_error err = { "" };
	enum og_status status;

	status = become_user(config, &err);
	if (status == OG_OK)
		status = list_keys(&tally, &err);
	if (status != OG_OK) {
		og_cli_complain("%s", err.text);
		return EX_IOERR;
	}
	status = visit_all(&tally, &err);
	if (status != OG_OK)
		og_cli_complain("%s", err.text);
	tell(&tally);
	if (status != OG_OK)
		return EX_TEMPFAIL;
	return tally.failed == 0 ? EX_OK : EX_DATAERR;
}

int
og_cli_reseal(int argc, char **argv)
{
	struct request request = { 0 };
	struct og_config config;
	char certs[PATH_MAX];
	struct og_error err;
	int status;

	/* room for a whole change: it leaves at once, see print_change() */
	(void)setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	status = read_options(argc, argv, &request);
	if (status != EX_OK)
		return status;
	if (request.help) {
		(void)fputs(usage, stdout);
		return EX_OK;
	}
	if (!og_cli_config(&config, NULL))
		return EX_CONFIG;
	if (request.certs != NULL) {
		if (og_cli_real_path(request.certs, certs, &err) != OG_OK) {
			og_cli_complain("%s", err.text);
			return EX_IOERR;
		}
		request.certs = certs;
	}
	return run(&request, &config);
}
