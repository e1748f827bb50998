/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_child.c - what the doctor lets another process do.
 *
 * Every child holds the writing end of a pipe until it ends: the end of file
 * there is how the parent knows, with a time limit, that it has ended.
 */
#include "cli/doctor.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUN_MS 30000

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Read until the end of file.
 *
 * Returns how many octets came, or -1 when there were more than size or the
 * time was over.
 */
static ssize_t
read_all(int fd, char *out, size_t size, int timeout_ms)
{
	const int64_t end_ms = now_ms() + timeout_ms;
	size_t n = 0;

	for (;;) {
		struct pollfd input = { .fd = fd, .events = POLLIN };
		int64_t left_ms = end_ms - now_ms();
		char overlong;
		ssize_t got;

		if (left_ms <= 0)
			return -1;
		if (poll(&input, 1, (int)left_ms) <= 0)
			continue;
		got = n < size ? read(fd, out + n, size - n)
			       : read(fd, &overlong, 1);
		if (got == 0)
			return (ssize_t)n;
		if (got > 0 && n == size)
			return -1;
		if (got > 0)
			n += (size_t)got;
		else if (errno != EINTR)
			return -1;
	}
}

/* Wait for the end of a child; kill it first when it has not ended in time. */
static int
reap(pid_t pid, bool ended)
{
	int status = 0;

	if (!ended)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

/* Programs. */

/* A file in memory that is read from its beginning, or -1. */
static int
memory_file(const char *content)
{
	size_t len = strlen(content);
	int fd = memfd_create("outgate", MFD_CLOEXEC);

	if (fd >= 0 && (write(fd, content, len) != (ssize_t)len ||
			   lseek(fd, 0, SEEK_SET) != 0)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* What was written there, as a C string; NULL when it cannot be had. */
static char *
take(int fd)
{
	struct stat st;
	char *text;
	size_t size;

	if (fstat(fd, &st) != 0)
		return NULL;
	size = (size_t)st.st_size;
	text = malloc(size + 1);
	if (text == NULL)
		return NULL;
	if (pread(fd, text, size, 0) != st.st_size) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

struct files {
	int in, out, errors; /* the program's descriptors 0, 1, 2 */
	int leash[2];
};

static bool
open_files(struct files *f, const char *input)
{
	*f = (struct files){ -1, -1, -1, { -1, -1 } };
	f->in = memory_file(input);
	f->out = memory_file("");
	f->errors = memory_file("");
	return f->in >= 0 && f->out >= 0 && f->errors >= 0 &&
	       pipe(f->leash) == 0;
}

static void
close_files(const struct files *f)
{
	const int fd[] = { f->in, f->out, f->errors, f->leash[0], f->leash[1] };
	size_t i;

	for (i = 0; i < sizeof fd / sizeof fd[0]; i++) {
		if (fd[i] >= 0)
			(void)close(fd[i]);
	}
}

_Noreturn static void
become_program(const struct files *f, const char *const argv[])
{
	/* execve changes nothing, its prototype is older than const */
	const union {
		const char *const *in;
		char *const *out;
	} words = { argv };

	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char locale[] = "LC_ALL=C";
	static char *environment[] = { path, locale, NULL };

	if (dup2(f->in, 0) == 0 && dup2(f->out, 1) == 1 &&
	    dup2(f->errors, 2) == 2 && close(f->leash[0]) == 0)
		(void)execve(argv[0], words.out, environment);
	_exit(127);
}

enum og_status
og_doctor_run(const char *const argv[], const char *input,
    struct og_output *output, struct og_error *err)
{
	struct files f;
	pid_t pid = -1;
	bool ended = false;

	*output = (struct og_output){ 0 };
	if (open_files(&f, input)) {
		pid = fork();
		if (pid == 0)
			become_program(&f, argv);
		(void)close(f.leash[1]);
		f.leash[1] = -1;
	}
	if (pid > 0) {
		ended = read_all(f.leash[0], NULL, 0, RUN_MS) == 0;
		output->status = reap(pid, ended);
		output->out = take(f.out);
		output->errors = take(f.errors);
	}
	close_files(&f);
	if (ended && output->out != NULL && output->errors != NULL)
		return OG_OK;
	og_output_free(output);
	return og_fail(err, OG_ESYSTEM, "%s: %s", argv[0],
	    pid > 0 && !ended ? "did not end" : "cannot be run");
}

void
og_output_free(struct og_output *output)
{
	free(output->out);
	free(output->errors);
	*output = (struct og_output){ 0 };
}

/* Errands. */

/* As io/directory.c does it for a look-up. */
static bool
become_user(const struct passwd *account)
{
	const struct rlimit none = { 0, 0 };

	return clearenv() == 0 && setenv("LDAPNOINIT", "1", 1) == 0 &&
	       setenv("SASL_PATH", "/nonexistent", 1) == 0 &&
	       setrlimit(RLIMIT_CORE, &none) == 0 &&
	       initgroups(account->pw_name, account->pw_gid) == 0 &&
	       setgid(account->pw_gid) == 0 && setuid(account->pw_uid) == 0 &&
	       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* _exit: what is buffered for standard output is the parent's. */
_Noreturn static void
run_errand(const struct passwd *account, const struct og_errand *errand, int fd)
{
	const char *at = errand->out;
	size_t left = errand->size;

	(void)signal(SIGPIPE, SIG_IGN);
	if (!become_user(account))
		_exit(1);
	errand->run(errand->in, errand->out);
	while (left > 0) {
		ssize_t n = write(fd, at, left);

		if (n < 0)
			_exit(1);
		at += n;
		left -= (size_t)n;
	}
	_exit(0);
}

enum og_status
og_doctor_as_user(
    const char *user, const struct og_errand *errand, struct og_error *err)
{
	const struct passwd *account = getpwnam(user);
	char *result = malloc(errand->size);
	enum og_status status = OG_ESYSTEM;
	ssize_t n = -1;
	pid_t pid = -1;
	int ends[2];

	(void)og_fail(
	    err, OG_ESYSTEM, "nothing can be done as user '%s'", user);
	if (account != NULL && result != NULL && pipe(ends) == 0) {
		pid = fork();
		if (pid == 0)
			run_errand(account, errand, ends[1]);
		(void)close(ends[1]);
		if (pid > 0) {
			n = read_all(
			    ends[0], result, errand->size, errand->timeout_ms);
			(void)reap(pid, n >= 0);
		}
		(void)close(ends[0]);
	}
	if (n >= 0 && (size_t)n == errand->size) {
		memcpy(errand->out, result, errand->size);
		status = OG_OK;
	} else if (pid > 0 && n < 0) {
		(void)og_fail(err, OG_ESYSTEM, "no result in time");
	}
	if (result != NULL)
		explicit_bzero(result, errand->size);
	free(result);
	return status;
}
