/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - what went wrong lately, so that it is not done again at once.
 *
 * Which users and passwords failed is in the names of files, so these are
 * keyed hashes; see keyed.h.  The Exim user writes, and its group reads: the
 * agent does not try again what a delivery found refused.
 */
#include "io/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"
#include "io/keyed.h"

/* What a file's name stands for; each field goes in with its length. */
struct subject {
	const char *kind;
	const struct og_gateway *gateway;
	const char *owner; /* "" where it does not count, as the next two */
	const char *sealed;
	const struct og_secret *secret; /* NULL where it does not count */
};

static bool
name_of(const struct og_keyed *keyed, const struct subject *s,
    char name[OG_KEYED_NAME_SIZE])
{
	char buffer[2 * OG_SEALED_SIZE];
	struct og_text text;
	bool ok;

	og_text_start(&text, buffer, sizeof buffer);
	og_keyed_put(&text, s->kind, strlen(s->kind));
	og_keyed_put(&text, s->owner, strlen(s->owner));
	og_keyed_put(&text, s->gateway->host, strlen(s->gateway->host));
	og_text_putf(&text, "%u:", s->gateway->port);
	if (s->owner[0] != '\0') {
		og_text_putf(&text, "%s:", og_tls_word(s->gateway->tls));
		og_keyed_put(
		    &text, s->gateway->login, strlen(s->gateway->login));
	}
	og_keyed_put(&text, s->sealed, strlen(s->sealed));
	if (s->secret != NULL)
		og_keyed_put(&text, s->secret->text, s->secret->len);
	ok = og_keyed_name(keyed, &text, name);
	explicit_bzero(buffer, sizeof buffer);
	return ok;
}

/*
 * Note that it happened now.  Root's notes are the directory's owner's, who
 * may have to renew them.
 */
static bool
note(const struct og_keyed *keyed, const struct subject *s)
{
	char name[OG_KEYED_NAME_SIZE];
	struct stat dir;
	bool ok;
	int fd;

	if (!name_of(keyed, s, name))
		return false;
	fd = openat(keyed->fd, name,
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return false;
	ok = futimens(fd, NULL) == 0 && fstat(keyed->fd, &dir) == 0 &&
	    (geteuid() != 0 || fchown(fd, dir.st_uid, dir.st_gid) == 0);
	(void)close(fd);
	return ok;
}

/* When did it happen last, in milliseconds ago?  -1: never, or unknown. */
static int64_t
age_ms(const char *dir, const struct subject *s)
{
	char name[OG_KEYED_NAME_SIZE];
	struct og_keyed keyed;
	struct timespec now;
	struct stat st;
	int64_t age = -1;

	if (!og_keyed_open(dir, false, &keyed))
		return -1;
	if (name_of(&keyed, s, name) &&
	    fstatat(keyed.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode)) {
		(void)clock_gettime(CLOCK_REALTIME, &now);
		age = (int64_t)(now.tv_sec - st.st_mtim.tv_sec) * 1000 +
		    (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
	}
	og_keyed_close(&keyed);
	return age < 0 ? -1 : age;
}

static struct subject
subject_of(const char *kind, const struct og_use *use)
{
	return (struct subject){
		.kind = kind,
		.gateway = use->gateway,
		.owner = use->owner,
		.sealed = use->sealed,
	};
}

static struct subject
subject_of_secret(const struct og_use *use, const struct og_secret *secret)
{
	struct subject s = subject_of("secret", use);

	s.sealed = "";
	s.secret = secret;
	return s;
}

static struct subject
subject_of_server(const struct og_gateway *gateway)
{
	return (struct subject){
		.kind = "server", .gateway = gateway, .owner = "", .sealed = ""
	};
}

/* Note two things, or say why not. */
static enum og_status
note_both(const char *dir, const struct subject *a, const struct subject *b,
    struct og_error *err)
{
	enum og_status status = OG_OK;
	struct og_keyed keyed;

	if (!og_keyed_open(dir, true, &keyed))
		return og_fail(err, OG_ESYSTEM, "%s: %s", dir, strerror(errno));
	if (!note(&keyed, a) || !note(&keyed, b))
		status = og_fail(err, OG_ESYSTEM,
		    "%s: cannot note a failure: %s", dir, strerror(errno));
	og_keyed_close(&keyed);
	return status;
}

enum og_status
og_memory_refuse(const char *dir, const struct og_use *use,
    const struct og_secret *secret, struct og_error *err)
{
	const struct subject sealed = subject_of("sealed", use);
	const struct subject open = subject_of_secret(use, secret);

	return note_both(dir, &sealed, &open, err);
}

bool
og_memory_refused(const char *dir, const struct og_use *use)
{
	const struct subject sealed = subject_of("sealed", use);

	return age_ms(dir, &sealed) >= 0;
}

bool
og_memory_refused_secret(const char *dir, const struct og_use *use,
    const struct og_secret *secret)
{
	const struct subject open = subject_of_secret(use, secret);

	return age_ms(dir, &open) >= 0;
}

int64_t
og_memory_refused_s(const char *dir, const struct og_use *use,
    const struct og_secret *secret)
{
	const struct subject sealed = subject_of("sealed", use);
	const struct subject open = subject_of_secret(use, secret);
	int64_t age = age_ms(dir, &sealed);

	if (age < 0 && secret != NULL)
		age = age_ms(dir, &open);
	return age < 0 ? -1 : age / 1000;
}

enum og_status
og_memory_fail(
    const char *dir, const struct og_use *use, struct og_error *err)
{
	const struct subject failed = subject_of("failed", use);
	const struct subject server = subject_of_server(use->gateway);

	return note_both(dir, &failed, &server, err);
}

int64_t
og_memory_failed_s(const char *dir, const struct og_use *use)
{
	const struct subject failed = subject_of("failed", use);
	int64_t age = age_ms(dir, &failed);

	return age < 0 ? -1 : age / 1000;
}

int64_t
og_memory_stumbled_ms(const char *dir, const struct og_gateway *gateway)
{
	const struct subject server = subject_of_server(gateway);

	return age_ms(dir, &server);
}
