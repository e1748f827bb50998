/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_files.c - can the mail user use the files, and nobody else?
 *
 * Whatever Exim reads is read here as the user Exim runs as, by the code that
 * the module has for it.
 */
#include "cli/doctor.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "io/keydir.h"
#include "io/proof.h"
#include "io/seal.h"

#define ERRAND_MS 10000
#define BIND_PASSWORD_SIZE 1024
/* A certificate that ends this soon is worth a word. */
#define SOON_S (30L * 24 * 60 * 60)

/* What came of an errand that only succeeds or fails. */
struct outcome {
	enum og_status status;
	struct og_error err;
};

/* True when it succeeded; else outcome->err says why not. */
static bool
succeeds(struct og_doctor *doctor, void (*run)(const void *, void *),
    const void *in, struct outcome *outcome)
{
	const struct og_errand errand = { run, in, outcome, sizeof *outcome,
		ERRAND_MS };
	struct og_error err;

	*outcome = (struct outcome){ 0 };
	if (og_doctor_as_user(doctor->config.directory.user, &errand, &err) !=
	    OG_OK)
		*outcome = (struct outcome){ OG_ESYSTEM, err };
	return outcome->status == OG_OK;
}

struct wish {
	const char *path;
	int mode;
};

static void
run_access(const void *in, void *out)
{
	const struct wish *wish = in;
	struct outcome *outcome = out;

	if (access(wish->path, wish->mode) != 0)
		outcome->status = og_fail(&outcome->err, OG_EDENIED, "%s: %s",
		    wish->path, strerror(errno));
}

bool
og_doctor_may(struct og_doctor *doctor, const char *path, int mode)
{
	const struct wish wish = { path, mode };
	struct outcome outcome;

	return !doctor->has_user ||
	       succeeds(doctor, run_access, &wish, &outcome);
}

void
og_doctor_parents(struct og_doctor *doctor, const char *area, const char *path)
{
	char dir[PATH_MAX];
	struct stat st;
	char *slash;

	(void)snprintf(dir, sizeof dir, "%s", path);
	while ((slash = strrchr(dir, '/')) != NULL) {
		slash[slash == dir ? 1 : 0] = '\0';
		if (stat(dir, &st) == 0 &&
		    (st.st_uid != 0 || (st.st_mode & 022) != 0))
			og_doctor_say(doctor, OG_SICK, area,
			    "%s: not root's alone to change (chown root, chmod "
			    "go-w), so %s may be replaced by others",
			    dir, path);
		if (slash == dir)
			break;
	}
}

/* The settings as the mail user reads them. */

static void
run_config(const void *in, void *out)
{
	static struct og_config config;
	struct outcome *outcome = out;

	outcome->status = og_config_load(in, &config, &outcome->err);
}

static void
examine_settings(struct og_doctor *doctor)
{
	const char *user = doctor->config.directory.user;
	struct outcome outcome;

	og_doctor_parents(doctor, "settings", doctor->path);
	if (succeeds(doctor, run_config, doctor->path, &outcome))
		og_doctor_say(doctor, OG_HEALTHY, "settings",
		    "user %s can read them", user);
	else
		og_doctor_say(doctor, OG_SICK, "settings",
		    "user %s cannot use them: %s", user, outcome.err.text);
}

/* Keys of seals. */

struct pair {
	const char *dir;
	const char *name;
};

struct pair_outcome {
	enum og_status status;
	struct og_error err;
	int64_t expires_s;
};

static void
run_pair(const void *in, void *out)
{
	const struct pair *pair = in;
	struct pair_outcome *outcome = out;

	outcome->status = og_seal_pair(
	    pair->dir, pair->name, &outcome->expires_s, &outcome->err);
}

/* An old certificate still opens; a new password cannot be trusted to it. */
static void
examine_expiry(struct og_doctor *doctor, const char *path, int64_t expires_s)
{
	int64_t left_s = expires_s - (int64_t)time(NULL);

	if (left_s < 0)
		og_doctor_say(doctor, OG_DOUBTFUL, "seal",
		    "%s has expired: what is sealed for it still opens, but "
		    "make a new key (outgate keygen)",
		    path);
	else if (left_s < SOON_S)
		og_doctor_say(doctor, OG_DOUBTFUL, "seal",
		    "%s expires in %ld days: make a new key (outgate keygen)",
		    path, (long)(left_s / (24L * 60 * 60)));
}

/* Readable by a group that is not the mail user's? */
static void
examine_key_group(struct og_doctor *doctor, const char *path)
{
	const struct passwd *account = getpwnam(doctor->config.directory.user);
	struct stat st;

	if (account != NULL && stat(path, &st) == 0 &&
	    (st.st_mode & 040) != 0 && st.st_gid != 0 &&
	    st.st_gid != account->pw_gid)
		og_doctor_say(doctor, OG_SICK, "seal",
		    "%s: readable by group %lu, which is not that of user %s "
		    "(chgrp)",
		    path, (unsigned long)st.st_gid, account->pw_name);
}

/* True when it opens seals. */
static bool
examine_pair(struct og_doctor *doctor, const char *name)
{
	const char *user = doctor->config.directory.user;
	const char *dir = doctor->config.seal_dir;
	const struct pair pair = { dir, name };
	char key[OG_KEYDIR_PATH_SIZE], crt[OG_KEYDIR_PATH_SIZE];
	struct pair_outcome outcome = { 0 };
	const struct og_errand errand = { run_pair, &pair, &outcome,
		sizeof outcome, ERRAND_MS };
	struct og_error err;

	if (og_keydir_path(dir, name, ".key", key, &err) != OG_OK ||
	    og_keydir_path(dir, name, ".crt", crt, &err) != OG_OK) {
		og_doctor_say(doctor, OG_SICK, "seal", "%s", err.text);
		return false;
	}
	if (access(key, F_OK) != 0) {
		og_doctor_say(doctor, OG_DOUBTFUL, "seal",
		    "%s has no key here: what is sealed for it alone cannot be "
		    "opened on this host",
		    crt);
		return false;
	}
	examine_key_group(doctor, key);
	if (og_doctor_as_user(user, &errand, &outcome.err) != OG_OK)
		outcome.status = OG_ESYSTEM;
	if (outcome.status != OG_OK) {
		og_doctor_say(doctor, OG_SICK, "seal",
		    "user %s cannot use the key %s: %s", user, name,
		    outcome.err.text);
		return false;
	}
	og_doctor_say(doctor, OG_HEALTHY, "seal",
	    "key %s: user %s can use it, others cannot", name, user);
	examine_expiry(doctor, crt, outcome.expires_s);
	return true;
}

/* Close and open again, as `outgate seal` and a delivery do. */
static void
run_seal(const void *in, void *out)
{
	static const char owner[] = "outgate doctor";
	static const char word[] = "a password of nobody's";
	const struct og_gateway gateway = {
		.host = "smtp.doctor.invalid",
		.port = 465,
		.login = "doctor",
	};
	struct og_secret secret, opened;
	struct outcome *outcome = out;
	char sealed[OG_SEALED_SIZE];
	struct og_error *err = &outcome->err;

	outcome->status = og_secret_set(&secret, word, strlen(word), err);
	if (outcome->status == OG_OK)
		outcome->status =
		    og_seal_close(in, owner, &gateway, &secret, sealed, err);
	if (outcome->status == OG_OK)
		outcome->status =
		    og_seal_open(in, owner, &gateway, sealed, &opened, err);
	if (outcome->status == OG_OK && strcmp(opened.text, word) != 0)
		outcome->status =
		    og_fail(err, OG_ESYSTEM, "another password comes out");
}

static void
run_list_seals(const void *in, void *out)
{
	struct og_keydir certificates;
	struct outcome *outcome = out;

	outcome->status = og_keydir_list(
	    in, ".crt", OG_FILE_SECRET, &certificates, &outcome->err);
}

static void
examine_seals(struct og_doctor *doctor)
{
	const char *dir = doctor->config.seal_dir;
	struct og_keydir certificates;
	struct outcome outcome;
	size_t n_usable = 0;
	size_t i;

	og_doctor_parents(doctor, "seal", dir);
	if (og_keydir_list(dir, ".crt", OG_FILE_SECRET, &certificates,
		&outcome.err) != OG_OK ||
	    !succeeds(doctor, run_list_seals, dir, &outcome)) {
		og_doctor_say(doctor, OG_SICK, "seal",
		    "seal_dir cannot be used by user %s: %s",
		    doctor->config.directory.user, outcome.err.text);
		return;
	}
	for (i = 0; i < certificates.n; i++)
		n_usable += examine_pair(doctor, certificates.name[i]);
	if (n_usable == 0)
		og_doctor_say(doctor, OG_SICK, "seal",
		    "%s has no key that user %s can use: no password can be "
		    "opened (outgate keygen --group)",
		    dir, doctor->config.directory.user);
	else if (succeeds(doctor, run_seal, dir, &outcome))
		og_doctor_say(doctor, OG_HEALTHY, "seal",
		    "what is sealed for %s opens again", dir);
	else
		og_doctor_say(doctor, OG_SICK, "seal",
		    "a password cannot be sealed and opened again: %s",
		    outcome.err.text);
}

/* Keys of proofs. */

static void
run_proof_key(const void *in, void *out)
{
	const struct pair *pair = in;
	struct outcome *outcome = out;

	outcome->status =
	    og_proof_key_check(pair->dir, pair->name, &outcome->err);
}

static void
run_list_proofs(const void *in, void *out)
{
	struct og_keydir names;
	struct outcome *outcome = out;

	outcome->status =
	    og_keydir_list(in, ".pub", OG_FILE_PUBLIC, &names, &outcome->err);
}

/* Whoever reads a key that signs can vouch for any address. */
static void
examine_signing_keys(struct og_doctor *doctor, const char *dir)
{
	char path[OG_KEYDIR_PATH_SIZE];
	struct og_keydir names;
	struct og_error err;
	size_t i;

	if (og_keydir_list(dir, ".key", OG_FILE_PUBLIC, &names, &err) != OG_OK)
		return;
	for (i = 0; i < names.n; i++) {
		if (og_keydir_path(dir, names.name[i], ".key", path, &err) ==
			OG_OK &&
		    og_doctor_may(doctor, path, R_OK))
			og_doctor_say(doctor, OG_SICK, "proof",
			    "%s: user %s can read it and so forge proofs "
			    "(chmod 0600, or keep it on another host)",
			    path, doctor->config.directory.user);
	}
}

static void
examine_public_keys(
    struct og_doctor *doctor, const char *dir, const struct og_keydir *names)
{
	struct outcome outcome;
	size_t i;

	for (i = 0; i < names->n; i++) {
		const struct pair key = { dir, names->name[i] };

		if (succeeds(doctor, run_proof_key, &key, &outcome))
			og_doctor_say(doctor, OG_HEALTHY, "proof",
			    "user %s can verify with %s",
			    doctor->config.directory.user, key.name);
		else
			og_doctor_say(doctor, OG_SICK, "proof",
			    "user %s cannot verify with %s: %s",
			    doctor->config.directory.user, key.name,
			    outcome.err.text);
	}
}

static void
examine_proofs(struct og_doctor *doctor)
{
	const char *dir = doctor->config.proof_dir;
	struct og_keydir names;
	struct outcome outcome;

	if (!doctor->config.org.proof_required)
		return;
	og_doctor_parents(doctor, "proof", dir);
	if (og_keydir_list(dir, ".pub", OG_FILE_PUBLIC, &names, &outcome.err) !=
		OG_OK ||
	    !succeeds(doctor, run_list_proofs, dir, &outcome)) {
		og_doctor_say(doctor, OG_SICK, "proof",
		    "proof_dir cannot be used by user %s: %s",
		    doctor->config.directory.user, outcome.err.text);
		return;
	}
	if (names.n == 0)
		og_doctor_say(doctor, OG_SICK, "proof",
		    "%s: no public key (*.pub) here, and proofs are required "
		    "(outgate keygen --proof)",
		    dir);
	examine_public_keys(doctor, dir, &names);
	examine_signing_keys(doctor, dir);
}

/* What failed lately. */

static void
examine_state(struct og_doctor *doctor)
{
	const char *user = doctor->config.directory.user;
	const char *dir = doctor->config.state_dir;
	const struct passwd *account = getpwnam(user);
	char parent[PATH_MAX];
	struct stat st;

	if (lstat(dir, &st) != 0 && errno == ENOENT) {
		(void)snprintf(parent, sizeof parent, "%.*s",
		    (int)(strrchr(dir, '/') - dir), dir);
		if (og_doctor_may(doctor, parent, W_OK | X_OK))
			og_doctor_say(doctor, OG_HEALTHY, "state",
			    "%s will be made when a gateway fails", dir);
		else
			og_doctor_say(doctor, OG_SICK, "state",
			    "%s is missing and user %s cannot make it "
			    "(install -d -o %s -m 0750)",
			    dir, user, user);
		return;
	}
	if (account == NULL || lstat(dir, &st) != 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != account->pw_uid || (st.st_mode & 07027) != 0)
		og_doctor_say(doctor, OG_SICK, "state",
		    "%s: must be a directory of user %s with mode 0750", dir,
		    user);
	else if (!og_doctor_may(doctor, dir, R_OK | W_OK | X_OK))
		og_doctor_say(doctor, OG_SICK, "state",
		    "%s: user %s cannot write there", dir, user);
	else
		og_doctor_say(doctor, OG_HEALTHY, "state",
		    "%s is written by user %s alone", dir, user);
}

/* What a bind over the network needs. */

static void
run_password(const void *in, void *out)
{
	char password[BIND_PASSWORD_SIZE];
	struct outcome *outcome = out;
	size_t len;

	outcome->status = og_file_read(
	    in, OG_FILE_SECRET, password, sizeof password, &len, &outcome->err);
	explicit_bzero(password, sizeof password);
	if (outcome->status == OG_OK && len == 0)
		outcome->status = og_fail(
		    &outcome->err, OG_EINPUT, "%s: empty", (const char *)in);
}

static void
examine_bind(struct og_doctor *doctor)
{
	const struct og_directory *directory = &doctor->config.directory;
	const char *ca_file = directory->tls_ca_file;
	struct outcome outcome;

	if (ca_file[0] != '\0' && !og_doctor_may(doctor, ca_file, R_OK))
		og_doctor_say(doctor, OG_SICK, "settings",
		    "tls_ca_file: user %s cannot read %s", directory->user,
		    ca_file);
	switch (directory->bind) {
	case OG_BIND_EXTERNAL:
		return;
	case OG_BIND_SIMPLE:
		break;
	}
	og_doctor_parents(doctor, "settings", directory->bind_password_file);
	if (succeeds(
		doctor, run_password, directory->bind_password_file, &outcome))
		og_doctor_say(doctor, OG_HEALTHY, "settings",
		    "user %s can read the bind password, others cannot",
		    directory->user);
	else
		og_doctor_say(doctor, OG_SICK, "settings",
		    "bind_password_file: %s", outcome.err.text);
}

void
og_doctor_files(struct og_doctor *doctor)
{
	examine_settings(doctor);
	examine_bind(doctor);
	examine_seals(doctor);
	examine_proofs(doctor);
	examine_state(doctor);
}
