/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keyed.c - directories of small files whose names tell nothing.
 */
#include "io/keyed.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_SIZE 32
#define KEY_NAME "key"

static bool
read_key(struct og_keyed *keyed)
{
	int fd = openat(keyed->fd, KEY_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, keyed->key, sizeof keyed->key);
	(void)close(fd);
	errno = EIO;
	return n == sizeof keyed->key;
}

/* Two processes may both make one: the first link wins, both then read it. */
static bool
make_key(struct og_keyed *keyed)
{
	char name[32];
	bool ok;
	int fd;

	(void)snprintf(name, sizeof name, "%s.%ld", KEY_NAME, (long)getpid());
	fd = openat(
	    keyed->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return false;
	ok = RAND_bytes(keyed->key, sizeof keyed->key) == 1 &&
	     write(fd, keyed->key, sizeof keyed->key) == sizeof keyed->key &&
	     fsync(fd) == 0;
	(void)close(fd);
	ok = ok && (linkat(keyed->fd, name, keyed->fd, KEY_NAME, 0) == 0 ||
		       errno == EEXIST);
	(void)unlinkat(keyed->fd, name, 0);
	return ok && read_key(keyed);
}

bool
og_keyed_open(const char *dir, bool make, struct og_keyed *keyed)
{
	int failed;

	if (make && mkdir(dir, 0750) != 0 && errno != EEXIST)
		return false;
	keyed->fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (keyed->fd < 0)
		return false;
	if (read_key(keyed) || (make && make_key(keyed)))
		return true;
	failed = errno;
	(void)close(keyed->fd);
	errno = failed;
	return false;
}

void
og_keyed_close(struct og_keyed *keyed)
{
	(void)close(keyed->fd);
	explicit_bzero(keyed, sizeof *keyed);
}

void
og_keyed_put(struct og_text *text, const char *at, size_t len)
{
	og_text_putf(text, "%zu:", len);
	og_text_put_octets(text, at, len);
}

bool
og_keyed_name(const struct og_keyed *keyed, const struct og_text *text,
    char name[OG_KEYED_NAME_SIZE])
{
	uint8_t hash[HASH_SIZE];
	size_t len = 0;
	size_t i;

	if (text->truncated ||
	    EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, keyed->key,
		sizeof keyed->key, (const unsigned char *)text->at, text->len,
		hash, sizeof hash, &len) == NULL ||
	    len != sizeof hash)
		return false;
	for (i = 0; i < sizeof hash; i++)
		(void)snprintf(name + 2 * i, 3, "%02x", hash[i]);
	return true;
}
