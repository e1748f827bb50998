/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_TESTS_SCRATCH_H
#define OG_TESTS_SCRATCH_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * scratch.h - a directory of a test's own, and what is put there.
 *
 * Make it in a setup function and remove it in the teardown function: cmocka
 * calls that after a failure too.
 */

#define SCRATCH_SIZE 128
#define SCRATCH_PATH_SIZE 256

/* 0700, below TMPDIR or /tmp; returns 0 as a setup function does. */
static inline int
scratch_make(char dir[SCRATCH_SIZE])
{
	const char *base = getenv("TMPDIR");

	if (base == NULL || base[0] != '/')
		base = "/tmp";
	(void)snprintf(dir, SCRATCH_SIZE, "%s/outgate-test-XXXXXX", base);
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static inline int
scratch_remove_one(
    const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static inline int
scratch_remove(const char *dir)
{
	return nftw(dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Write a file; returns 0, or -1. */
static inline int
scratch_write(const char *path, const void *at, size_t len)
{
	FILE *file = fopen(path, "wb");
	size_t done;

	if (file == NULL)
		return -1;
	done = fwrite(at, 1, len, file);
	return fclose(file) == 0 && done == len ? 0 : -1;
}

/* Read a file of at most size octets; returns its length, or 0. */
static inline size_t
scratch_read(const char *path, void *out, size_t size)
{
	FILE *file = fopen(path, "rb");
	size_t n = 0;

	if (file == NULL)
		return 0;
	n = fread(out, 1, size, file);
	(void)fclose(file);
	return n;
}

/* Run a line of shell in the directory, silently; returns its exit status. */
static inline int
scratch_run(const char *dir, const char *line)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		if (chdir(dir) != 0 || null < 0)
			_exit(127);
		(void)dup2(null, 0);
		(void)dup2(null, 1);
		(void)dup2(null, 2);
		(void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
