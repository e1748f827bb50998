/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tty.c - a password from whoever is there to give one.
 *
 * Signals are held back but for the moments of waiting, so that none can end
 * the program between "echo off" and "echo on".
 */
#include "cli/tty.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* A password, a newline, and room to notice that there is more. */
#define LINE_SIZE (OG_SECRET_SIZE + 16)

struct line {
	size_t len;
	char text[LINE_SIZE];
};

static volatile sig_atomic_t caught;

static void
remember(int number)
{
	caught = number;
}

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define N_ENDING (sizeof ending / sizeof ending[0])

/* What was there before echo was switched off. */
struct before {
	struct termios terminal;
	struct sigaction action[N_ENDING];
	struct sigaction stop;
	sigset_t mask;
};

static bool
hide(struct before *before)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction note = { .sa_handler = remember };
	struct termios silent;
	sigset_t held;
	size_t i;

	if (tcgetattr(STDIN_FILENO, &before->terminal) != 0)
		return false;
	caught = 0;
	sigemptyset(&held);
	for (i = 0; i < N_ENDING; i++)
		sigaddset(&held, ending[i]);
	(void)sigprocmask(SIG_BLOCK, &held, &before->mask);
	for (i = 0; i < N_ENDING; i++)
		(void)sigaction(ending[i], &note, &before->action[i]);
	/* a stopped program would leave the shell without echo */
	(void)sigaction(SIGTSTP, &ignore, &before->stop);
	silent = before->terminal;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	silent.c_lflag |= ECHONL;
	return tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
}

/* Put everything back; a signal that came meanwhile does its work now. */
static void
show(const struct before *before)
{
	size_t i;

	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before->terminal);
	for (i = 0; i < N_ENDING; i++)
		(void)sigaction(ending[i], &before->action[i], NULL);
	(void)sigaction(SIGTSTP, &before->stop, NULL);
	if (caught != 0)
		(void)raise(caught);
	(void)sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

/* Read once; false at the end, on a signal, and on an error. */
static bool
read_some(const sigset_t *mask, struct line *line)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n;

	if (ppoll(&input, 1, NULL, mask) < 0)
		return false;
	n = read(STDIN_FILENO, line->text + line->len,
	    sizeof line->text - line->len);
	if (n > 0)
		line->len += (size_t)n;
	return n > 0;
}

static enum og_status
ask(const char *question, struct line *line, struct og_error *err)
{
	struct before before;
	bool hidden;

	line->len = 0;
	(void)fprintf(stderr, "%s: ", question);
	(void)fflush(stderr);
	hidden = hide(&before);
	while (hidden && line->len < sizeof line->text &&
	       memchr(line->text, '\n', line->len) == NULL &&
	       read_some(&before.mask, line))
		continue;
	/* TCSAFLUSH drops what is left of an overlong line */
	show(&before);
	if (!hidden)
		return og_fail(
		    err, OG_ESYSTEM, "the terminal cannot hide what is typed");
	return OG_OK;
}

static void
cut_newline(struct line *line)
{
	if (line->len > 0 && line->text[line->len - 1] == '\n')
		line->len--;
}

static enum og_status
ask_twice(const char *what, struct line *line, struct og_error *err)
{
	struct line again = { 0 };
	char question[600];
	enum og_status status;

	(void)snprintf(question, sizeof question, "Type %s", what);
	status = ask(question, line, err);
	if (status == OG_OK)
		status = ask("Type it again", &again, err);
	if (status == OG_OK &&
	    (line->len != again.len ||
		memcmp(line->text, again.text, line->len) != 0))
		status = og_fail(err, OG_EINPUT, "the two are not the same");
	explicit_bzero(&again, sizeof again);
	return status;
}

static enum og_status
read_all(struct line *line, struct og_error *err)
{
	while (line->len < sizeof line->text) {
		ssize_t n = read(STDIN_FILENO, line->text + line->len,
		    sizeof line->text - line->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return og_fail(err, OG_ESYSTEM, "standard input: %s",
			    strerror(errno));
		if (n == 0)
			break;
		line->len += (size_t)n;
	}
	return OG_OK;
}

enum og_status
og_cli_read_secret(
    const char *what, struct og_secret *secret, struct og_error *err)
{
	struct line line = { 0 };
	enum og_status status;

	og_secret_wipe(secret);
	if (isatty(STDIN_FILENO))
		status = ask_twice(what, &line, err);
	else
		status = read_all(&line, err);
	if (status == OG_OK) {
		cut_newline(&line);
		status = og_secret_set(secret, line.text, line.len, err);
	}
	explicit_bzero(&line, sizeof line);
	return status;
}
