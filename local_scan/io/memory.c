/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - what went wrong lately, so that it is not done again at once.
 *
 * The hash that names a file is keyed with random octets that only the Exim
 * user and root can read: who gets hold of the names alone can try no
 * passwords against them.
 */
#include "io/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"

#define KEY_SIZE 32
#define HASH_SIZE 32
#define NAME_SIZE (2 * HASH_SIZE + 1)
#define KEY_NAME "key"

/* Open the directory; make it when asked to. */
static int
open_dir(const char *dir, bool make)
{
	if (make && mkdir(dir, 0700) != 0 && errno != EEXIST)
		return -1;
	return open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool
read_key(int dir_fd, uint8_t key[KEY_SIZE])
{
	int fd = openat(dir_fd, KEY_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, key, KEY_SIZE);
	(void)close(fd);
	return n == KEY_SIZE;
}

/* Two processes may both make one: the first link wins, both then read it. */
static bool
make_key(int dir_fd, uint8_t key[KEY_SIZE])
{
	char name[32];
	bool ok;
	int fd;

	(void)snprintf(name, sizeof name, "%s.%ld", KEY_NAME, (long)getpid());
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd < 0)
		return false;
	ok = RAND_bytes(key, KEY_SIZE) == 1 &&
	    write(fd, key, KEY_SIZE) == KEY_SIZE && fsync(fd) == 0;
	(void)close(fd);
	ok = ok &&
	    (linkat(dir_fd, name, dir_fd, KEY_NAME, 0) == 0 ||
		errno == EEXIST);
	(void)unlinkat(dir_fd, name, 0);
	return ok && read_key(dir_fd, key);
}

/* What a file's name stands for; each field goes in with its length. */
struct subject {
	const char *kind;
	const struct og_gateway *gateway;
	const char *owner; /* "" where it does not count, as the next two */
	const char *sealed;
	const struct og_secret *secret; /* NULL where it does not count */
};

static void
put_field(struct og_text *text, const char *at, size_t len)
{
	og_text_putf(text, "%zu:", len);
	og_text_put_octets(text, at, len);
}

static bool
name_of(const uint8_t key[KEY_SIZE], const struct subject *s,
    char name[NAME_SIZE])
{
	char buffer[2 * OG_SEALED_SIZE];
	uint8_t hash[HASH_SIZE];
	struct og_text text;
	size_t len = 0;
	size_t i;
	bool ok;

	og_text_start(&text, buffer, sizeof buffer);
	put_field(&text, s->kind, strlen(s->kind));
	put_field(&text, s->owner, strlen(s->owner));
	put_field(&text, s->gateway->host, strlen(s->gateway->host));
	og_text_putf(&text, "%u:", s->gateway->port);
	if (s->owner[0] != '\0') {
		og_text_putf(&text, "%s:", og_tls_word(s->gateway->tls));
		put_field(
		    &text, s->gateway->login, strlen(s->gateway->login));
	}
	put_field(&text, s->sealed, strlen(s->sealed));
	if (s->secret != NULL)
		put_field(&text, s->secret->text, s->secret->len);
	ok = !text.truncated &&
	    EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, KEY_SIZE,
		(const unsigned char *)buffer, text.len, hash, sizeof hash,
		&len) != NULL &&
	    len == sizeof hash;
	explicit_bzero(buffer, sizeof buffer);
	for (i = 0; ok && i < sizeof hash; i++)
		(void)snprintf(name + 2 * i, 3, "%02x", hash[i]);
	return ok;
}

/*
 * Note that it happened now.  Root's notes are the directory's owner's, who
 * may have to renew them.
 */
static bool
note(int dir_fd, const uint8_t key[KEY_SIZE], const struct subject *s)
{
	char name[NAME_SIZE];
	struct stat dir;
	bool ok;
	int fd;

	if (!name_of(key, s, name))
		return false;
	fd = openat(dir_fd, name,
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ok = futimens(fd, NULL) == 0 && fstat(dir_fd, &dir) == 0 &&
	    (geteuid() != 0 || fchown(fd, dir.st_uid, dir.st_gid) == 0);
	(void)close(fd);
	return ok;
}

/* When did it happen last, in milliseconds ago?  -1: never, or unknown. */
static int64_t
age_ms(const char *dir, const struct subject *s)
{
	uint8_t key[KEY_SIZE];
	char name[NAME_SIZE];
	struct timespec now;
	struct stat st;
	int64_t age = -1;
	int fd = open_dir(dir, false);

	if (fd < 0)
		return -1;
	if (read_key(fd, key) && name_of(key, s, name) &&
	    fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode)) {
		(void)clock_gettime(CLOCK_REALTIME, &now);
		age = (int64_t)(now.tv_sec - st.st_mtim.tv_sec) * 1000 +
		    (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
	}
	(void)close(fd);
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
	uint8_t key[KEY_SIZE];
	int fd = open_dir(dir, true);

	if (fd < 0)
		return og_fail(err, OG_ESYSTEM, "%s: %s", dir, strerror(errno));
	if ((!read_key(fd, key) && !make_key(fd, key)) || !note(fd, key, a) ||
	    !note(fd, key, b))
		status = og_fail(err, OG_ESYSTEM,
		    "%s: cannot note a failure: %s", dir, strerror(errno));
	(void)close(fd);
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
