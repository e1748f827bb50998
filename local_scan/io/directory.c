/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * directory.c - one sender's records from the LDAP directory, by a deadline.
 *
 * This file knows processes and no LDAP: io/ldap.c asks one server, here it
 * is decided which servers are asked, when, and whose answer counts.  A child
 * sends its answer as one struct through a pipe; less than the whole struct
 * is no answer.
 */
#include "io/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"
#include "io/ldap.h"

/* What a child sends: all of it, or the part before the records. */
struct reply {
	enum { REPLY_NONE = 0, REPLY_COMPLETE, REPLY_FAILED } kind;
	struct og_error why; /* REPLY_FAILED */
	struct og_records records;
};
#define REPLY_FAILED_SIZE offsetof(struct reply, records)

struct child {
	pid_t pid; /* 0: there is none, or no more */
	int fd;	   /* where its reply comes from */
	size_t got;
	struct reply reply;
};

struct race {
	const struct og_directory *directory;
	const struct og_question *question;
	const struct og_records *known; /* the caller's, before the answer */
	int64_t deadline_ms;
	int64_t next_ms; /* when the next server is due */
	size_t n_started;
	struct child child[OG_URIS_MAX]; /* one for each URI */
	struct og_text why;		 /* what failed so far */
};

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * A server is of no use: note why, and let the next one start at once.  A
 * URI is the administrator's text and holds no secret.
 */
static void
note_failure(struct race *race, size_t i, const char *text)
{
	og_text_putf(&race->why, "%s%s: %s", race->why.len == 0 ? "" : "; ",
	    race->directory->uri[i], text);
	race->next_ms = now_ms();
}

/* The child's side. */

/* The host's handlers would run its code, in a process it does not know of. */
static void
reset_signals(void)
{
	sigset_t none;
	int signo;

	for (signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Keep the pipe, as descriptor 3, and nothing else: the others are the
 * sender's connection, the spool and the log, and libldap may write to 2.
 */
static bool
keep_descriptor(int fd)
{
	int nothing;

	fd = fcntl(fd, F_DUPFD, 4);
	nothing = open("/dev/null", O_RDWR);
	return fd >= 0 && nothing >= 0 && dup2(nothing, 0) == 0 &&
	       dup2(nothing, 1) == 1 && dup2(nothing, 2) == 2 &&
	       dup2(fd, 3) == 3 && close_range(4, ~0U, 0) == 0;
}

/*
 * The environment can switch verification off (LDAPTLS_REQCERT), name other
 * files (LDAPRC) and have TLS keys written out (SSLKEYLOGFILE).  LDAPNOINIT
 * keeps libldap from ldap.conf and from ./ldaprc, which may be anyone's.
 * SASL EXTERNAL needs no plug-in, and loading them takes longer than the
 * question itself.
 */
static bool
replace_environment(void)
{
	return clearenv() == 0 && setenv("LDAPNOINIT", "1", 1) == 0 &&
	       setenv("SASL_PATH", "/nonexistent", 1) == 0;
}

/* The process will hold a password: leave no core, let nobody look in. */
static bool
hide_memory(void)
{
	const struct rlimit none = { 0, 0 };

	return setrlimit(RLIMIT_CORE, &none) == 0 &&
	       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/*
 * Root's delivery process asks as the account Exim runs as: a server that
 * knows local processes by their user (ldapi) must see the one it saw at
 * reception, and nothing from the network is parsed as root.
 */
static bool
become(const char *user)
{
	const struct passwd *account;

	if (user[0] == '\0' || geteuid() != 0)
		return true;
	account = getpwnam(user);
	return account != NULL &&
	       initgroups(account->pw_name, account->pw_gid) == 0 &&
	       setgid(account->pw_gid) == 0 && setuid(account->pw_uid) == 0;
}

static void
send_reply(const struct reply *reply)
{
	size_t size =
	    reply->kind == REPLY_COMPLETE ? sizeof *reply : REPLY_FAILED_SIZE;
	const char *at = (const char *)reply;

	while (size > 0) {
		ssize_t sent = write(3, at, size);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return;
		at += sent;
		size -= (size_t)sent;
	}
}

/*
 * Never returns, whatever happens: two processes in the host's code would
 * answer the sender twice.  _exit, for the exit handlers are the host's.
 */
_Noreturn static void
run_child(const struct race *race, size_t i, int left_ms, struct reply *reply)
{
	const struct og_ldap_task task = {
		.directory = race->directory,
		.uri = race->directory->uri[i],
		.question = race->question,
		.left_ms = left_ms,
	};

	/* should the parent be gone when the time is over */
	(void)alarm((unsigned)left_ms / 1000 + 1);
	reply->records = *race->known;
	reply->kind = REPLY_FAILED;
	if (!replace_environment() || !become(race->directory->user) ||
	    !hide_memory()) {
		(void)og_fail(&reply->why, OG_ESYSTEM,
		    "cannot ask as user '%s'", race->directory->user);
		send_reply(reply);
		_exit(1);
	}
	if (og_ldap_ask(&task, &reply->records, &reply->why) == OG_OK)
		reply->kind = REPLY_COMPLETE;
	send_reply(reply);
	_exit(0);
}

/* The parent's side. */

/*
 * No signal may reach the child while its handlers are the host's: Exim's
 * jump out of local_scan().
 */
static pid_t
fork_quietly(sigset_t *before)
{
	sigset_t all;
	pid_t pid;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, before);
	pid = fork();
	if (pid != 0)
		(void)sigprocmask(SIG_SETMASK, before, NULL);
	return pid;
}

static void
start_next(struct race *race)
{
	size_t i = race->n_started++;
	struct child *child = &race->child[i];
	int64_t now = now_ms();
	int64_t left_ms = race->deadline_ms - now;
	sigset_t before;
	int ends[2];

	race->next_ms = now + race->directory->hedge_ms;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		note_failure(race, i, "no pipe");
		return;
	}
	child->pid = fork_quietly(&before);
	if (child->pid == 0) {
		reset_signals();
		if (!keep_descriptor(ends[1]))
			_exit(1);
		run_child(
		    race, i, left_ms > 0 ? (int)left_ms : 1, &child->reply);
	}
	(void)close(ends[1]);
	if (child->pid < 0) {
		child->pid = 0;
		(void)close(ends[0]);
		note_failure(race, i, "no process");
		return;
	}
	child->fd = ends[0];
}

/*
 * Take a child's end.  Where the host ignores SIGCHLD the kernel reaps and
 * waitpid says ECHILD, which is as good.
 */
static void
reap(struct child *child)
{
	(void)close(child->fd);
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	child->pid = 0;
}

/* Its pipe is still open, so the process lives and the number is its own. */
static void
end_child(struct child *child)
{
	(void)kill(child->pid, SIGKILL);
	reap(child);
}

/* The child has closed its pipe, which it does only by ending. */
static bool
judge(struct race *race, size_t i)
{
	struct child *child = &race->child[i];
	const struct reply *reply = &child->reply;

	reap(child);
	if (child->got == sizeof *reply && reply->kind == REPLY_COMPLETE)
		return true;
	if (child->got == REPLY_FAILED_SIZE && reply->kind == REPLY_FAILED)
		note_failure(race, i, reply->why.text);
	else
		note_failure(race, i, "the look-up ended without an answer");
	return false;
}

/* Read what has come; true when that completes an answer that counts. */
static bool
receive(struct race *race, size_t i)
{
	struct child *child = &race->child[i];
	size_t room = sizeof child->reply - child->got;
	char overlong;
	ssize_t n;

	if (room == 0)
		n = read(child->fd, &overlong, 1);
	else
		n = read(child->fd, (char *)&child->reply + child->got, room);
	if (n < 0 && errno == EINTR)
		return false;
	if (n > 0 && room > 0) {
		child->got += (size_t)n;
		return false;
	}
	if (n == 0)
		return judge(race, i);
	end_child(child);
	note_failure(race, i, "the look-up's answer cannot be read");
	return false;
}

static size_t
n_living(const struct race *race)
{
	size_t n = 0;
	size_t i;

	for (i = 0; i < race->n_started; i++)
		n += race->child[i].pid != 0;
	return n;
}

/*
 * Wait until a child has something to say or the next step is due.
 *
 * Returns the child whose answer counts, or NULL.
 */
static const struct child *
wait_for_children(struct race *race)
{
	struct pollfd fds[OG_URIS_MAX];
	int64_t until_ms = race->deadline_ms;
	int64_t wait_ms;
	size_t i;

	for (i = 0; i < race->n_started; i++)
		fds[i] = (struct pollfd){
			.fd = race->child[i].pid != 0 ? race->child[i].fd : -1,
			.events = POLLIN,
		};
	if (race->n_started < race->directory->n_uris &&
	    race->next_ms < until_ms)
		until_ms = race->next_ms;
	wait_ms = until_ms - now_ms();
	/* a signal of the host's ends the wait; the caller comes back */
	if (poll(fds, race->n_started, wait_ms < 0 ? 0 : (int)wait_ms) <= 0)
		return NULL;
	for (i = 0; i < race->n_started; i++) {
		if (fds[i].revents != 0 && receive(race, i))
			return &race->child[i];
	}
	return NULL;
}

/* Returns the answer that counts, or NULL when there is none in time. */
static const struct child *
run(struct race *race)
{
	const struct child *winner = NULL;
	size_t n_uris = race->directory->n_uris;

	while (winner == NULL && now_ms() < race->deadline_ms) {
		if (race->n_started < n_uris && now_ms() >= race->next_ms)
			start_next(race);
		else if (race->n_started == n_uris && n_living(race) == 0)
			break;
		else
			winner = wait_for_children(race);
	}
	return winner;
}

/* End what still runs, and wipe the replies: they hold passwords. */
static void
finish(struct race *race)
{
	size_t i;

	for (i = 0; i < race->n_started; i++) {
		struct child *child = &race->child[i];

		if (child->pid != 0) {
			end_child(child);
			note_failure(race, i, "no answer in time");
		}
		explicit_bzero(&child->reply, child->got);
	}
}

void
og_directory_read(const struct og_directory *directory,
    const struct og_question *question, struct og_records *records,
    struct og_error *why)
{
	size_t login_len = strnlen(question->login, OG_LOGIN_SIZE);
	const struct child *winner;
	struct race *race;

	records->user = OG_UNAVAILABLE;
	if (login_len == 0 || login_len == OG_LOGIN_SIZE) {
		(void)og_fail(why, OG_ELIMIT, "a login has 1 to %d octets",
		    OG_LOGIN_SIZE - 1);
		return;
	}
	/* zeroed pages: what no child fills costs nothing */
	race = calloc(1, sizeof *race);
	if (race == NULL) {
		(void)og_fail(why, OG_ESYSTEM, "out of memory");
		return;
	}
	race->directory = directory;
	race->question = question;
	race->known = records;
	race->deadline_ms = now_ms() + directory->timeout_ms;
	og_text_start(&race->why, why->text, sizeof why->text);
	winner = run(race);
	if (winner != NULL)
		*records = winner->reply.records;
	finish(race);
	if (winner != NULL)
		why->text[0] = '\0';
	else if (directory->n_uris == 0)
		(void)og_fail(why, OG_EINPUT, "no server is set");
	free(race);
}
