/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_loop.c - the one process that stays, and the children it starts.
 *
 *   watcher   rings when the directory tells of a change; lives on
 *   lister    writes the gateways that are due
 *   workers   examine one gateway each
 *
 * Several workers run, but one for each user: whoever has set up a gateway at
 * a server that never answers waits for himself.  A child has an alarm clock,
 * and dies with this process; this process only waits.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/agent.h"
#include "cli/cli.h"

#define WORKERS_MAX 8
/* Their alarms: a hundred addresses, each at a server that is slow. */
#define WORKER_S 300
#define LISTER_S 120
/* A directory that tells of changes is asked all the same, so many polls on. */
#define PATROL_POLLS 10
/* Changes that come close together are listed together. */
#define PAUSE_MS 200
/* The list takes at most one part of the time in so many. */
#define LIST_SHARE 10
#define WATCH_AGAIN_MS 5000
#define WATCH_NEVER_MS (10 * 60 * 1000)
/* What a watcher whose server does not tell of changes ends with. */
#define WATCH_NOT_OFFERED 3

struct child {
	pid_t pid; /* 0: none */
	int fd;	   /* what it writes to us; -1: nothing */
};

struct worker {
	pid_t pid;
	struct og_agent_job job;
};

struct loop {
	const struct og_agent *agent;
	int signal_fd;
	sigset_t before;
	struct child watcher, lister;
	bool watching;		  /* the watcher has rung: it hears changes */
	int64_t watch_ms;	  /* when to start the next watcher */
	int64_t list_ms;	  /* when to list again */
	int64_t not_before_ms;	  /* and not sooner, whatever changes */
	int64_t listing_since_ms; /* the lister's start */
	bool skipped;		  /* something changed that is being examined */
	bool failed; /* something could not be done; again at the next poll */
	struct worker worker[WORKERS_MAX];
	size_t n_workers;
	struct og_agent_job *job; /* malloc()ed */
	size_t n_jobs, room;
	struct og_agent_job half; /* what the lister has written so far */
	size_t got;
};

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
sooner(int64_t *when_ms, int64_t other_ms)
{
	if (other_ms < *when_ms)
		*when_ms = other_ms;
}

/* Children. */

/* In the child: it lives no longer than its parent, nor than its time. */
static void
begin_child(const struct loop *loop, pid_t parent, unsigned alarm_s)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EX_TEMPFAIL);
	(void)close(loop->signal_fd);
	(void)sigprocmask(SIG_SETMASK, &loop->before, NULL);
	(void)alarm(alarm_s);
}

/*
 * Start a child with a pipe to us.
 *
 * Returns 0 in the child, whose end is *fd; else its process, or -1.
 */
static pid_t
start_child(struct loop *loop, struct child *child, unsigned alarm_s, int *fd)
{
	pid_t parent = getpid();
	int ends[2];
	pid_t pid;

	if (pipe(ends) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		*fd = ends[1];
		begin_child(loop, parent, alarm_s);
		return 0;
	}
	(void)close(ends[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		return -1;
	}
	*child = (struct child){ pid, ends[0] };
	return pid;
}

/* One octet; a full pipe has rung already. */
static void
ring(void *context)
{
	const int *fd = context;

	(void)!write(*fd, "!", 1);
}

_Noreturn static void
run_watcher(const struct og_agent *agent, int fd)
{
	const struct og_directory *directory = &agent->config.directory;
	struct og_roster *roster = NULL;
	struct og_error err;
	enum og_status status;

	(void)alarm((unsigned)directory->timeout_ms / 1000 + 30);
	status =
	    og_roster_open(directory, directory->timeout_ms, &roster, &err);
	(void)alarm(0);
	if (status == OG_OK)
		status = og_roster_watch(roster, ring, &fd, &err);
	og_roster_close(roster);
	/* no servers: the lister says so */
	_exit(status == OG_EDENIED ? WATCH_NOT_OFFERED : EX_TEMPFAIL);
}

static void
start_watcher(struct loop *loop)
{
	int fd = -1;

	loop->watch_ms = now_ms() + WATCH_AGAIN_MS;
	if (start_child(loop, &loop->watcher, 0, &fd) == 0)
		run_watcher(loop->agent, fd);
}

static void
start_lister(struct loop *loop)
{
	int64_t now = now_ms();
	int fd = -1;

	loop->listing_since_ms = now;
	loop->skipped = false;
	loop->failed = false;
	loop->got = 0;
	loop->list_ms = now + (int64_t)loop->agent->config.agent_poll_s * 1000 *
				  (loop->watching ? PATROL_POLLS : 1);
	if (start_child(loop, &loop->lister, LISTER_S, &fd) == 0)
		_exit(og_agent_list(loop->agent, fd));
	if (loop->lister.pid == 0)
		loop->failed = true;
}

static void
start_worker(struct loop *loop, const struct og_agent_job *job)
{
	struct worker *worker = &loop->worker[loop->n_workers];
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0) {
		begin_child(loop, parent, WORKER_S);
		_exit(og_agent_check(loop->agent, job));
	}
	if (pid < 0) {
		loop->failed = true;
		return;
	}
	*worker = (struct worker){ .pid = pid, .job = *job };
	loop->n_workers++;
}

/* Jobs. */

static bool
is_busy(const struct loop *loop, const char *user)
{
	size_t i;

	for (i = 0; i < loop->n_workers; i++) {
		if (strcmp(loop->worker[i].job.user, user) == 0)
			return true;
	}
	return false;
}

/* In the order of the list, but nobody's second before his first is done. */
static void
start_workers(struct loop *loop)
{
	size_t kept = 0;
	size_t i;

	for (i = 0; i < loop->n_jobs; i++) {
		if (loop->n_workers < WORKERS_MAX &&
		    !is_busy(loop, loop->job[i].user))
			start_worker(loop, &loop->job[i]);
		else
			loop->job[kept++] = loop->job[i];
	}
	loop->n_jobs = kept;
}

static bool
is_known(struct loop *loop, const struct og_agent_job *job)
{
	size_t i;

	for (i = 0; i < loop->n_workers; i++) {
		if (strcmp(loop->worker[i].job.dn, job->dn) == 0) {
			/* it may have been changed while it is looked at */
			loop->skipped = true;
			return true;
		}
	}
	for (i = 0; i < loop->n_jobs; i++) {
		if (strcmp(loop->job[i].dn, job->dn) == 0) {
			loop->job[i] = *job;
			return true;
		}
	}
	return false;
}

static void
add_job(struct loop *loop, const struct og_agent_job *job)
{
	struct og_agent_job *more;
	size_t room;

	if (is_known(loop, job))
		return;
	if (loop->n_jobs == loop->room) {
		room = loop->room == 0 ? 64 : 2 * loop->room;
		more = realloc(loop->job, room * sizeof *more);
		if (more == NULL) {
			loop->failed = true;
			return;
		}
		loop->job = more;
		loop->room = room;
	}
	loop->job[loop->n_jobs++] = *job;
}

/* What the children say. */

/* Their end of the pipe is closed: take the rest of them by waitpid. */
static void
close_child(struct child *child)
{
	if (child->fd >= 0)
		(void)close(child->fd);
	child->fd = -1;
}

static void
hear_lister(struct loop *loop)
{
	ssize_t n = read(loop->lister.fd, (char *)&loop->half + loop->got,
	    sizeof loop->half - loop->got);

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		close_child(&loop->lister);
		return;
	}
	loop->got += (size_t)n;
	if (loop->got < sizeof loop->half)
		return;
	loop->got = 0;
	add_job(loop, &loop->half);
}

static void
hear_watcher(struct loop *loop)
{
	char rung[512];
	ssize_t n = read(loop->watcher.fd, rung, sizeof rung);

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		close_child(&loop->watcher);
		return;
	}
	loop->watching = true;
	sooner(&loop->list_ms, now_ms() + PAUSE_MS);
}

static void
end_watcher(struct loop *loop, int status)
{
	close_child(&loop->watcher);
	loop->watcher.pid = 0;
	if (loop->watching)
		sooner(&loop->list_ms, now_ms());
	loop->watching = false;
	if (WIFEXITED(status) && WEXITSTATUS(status) == WATCH_NOT_OFFERED)
		loop->watch_ms = now_ms() + WATCH_NEVER_MS;
}

/* Killed is not slow: only its own alarm ends a child that is. */
static void
complain_of_signal(const char *what, int status)
{
	if (!WIFSIGNALED(status))
		return;
	if (WTERMSIG(status) == SIGALRM)
		og_cli_complain("%s took too long", what);
	else
		og_cli_complain(
		    "%s was ended by signal %d", what, WTERMSIG(status));
}

/*
 * Its last jobs may still be in the pipe.  A list that failed has mostly
 * waited: the directory is asked again at the next poll.
 */
static void
end_lister(struct loop *loop, int status)
{
	int64_t poll_ms = (int64_t)loop->agent->config.agent_poll_s * 1000;
	int64_t now = now_ms();
	int64_t rest_ms = (now - loop->listing_since_ms) * LIST_SHARE;

	while (loop->lister.fd >= 0)
		hear_lister(loop);
	loop->lister.pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EX_OK) {
		loop->failed = true;
		if (rest_ms > poll_ms)
			rest_ms = poll_ms;
	}
	complain_of_signal("the list of gateways", status);
	loop->not_before_ms = now + rest_ms;
}

static void
end_worker(struct loop *loop, size_t i, int status)
{
	char what[OG_DN_SIZE + sizeof ": its examination"];

	(void)snprintf(
	    what, sizeof what, "%s: its examination", loop->worker[i].job.dn);
	complain_of_signal(what, status);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EX_OK)
		loop->failed = true;
	loop->worker[i] = loop->worker[--loop->n_workers];
	if (loop->skipped)
		sooner(&loop->list_ms, now_ms() + PAUSE_MS);
}

static void
reap(struct loop *loop)
{
	int status;
	pid_t pid;
	size_t i;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == loop->watcher.pid)
			end_watcher(loop, status);
		else if (pid == loop->lister.pid)
			end_lister(loop, status);
		for (i = 0; i < loop->n_workers; i++) {
			if (loop->worker[i].pid == pid) {
				end_worker(loop, i, status);
				break;
			}
		}
	}
	if (loop->failed)
		sooner(&loop->list_ms,
		    now_ms() +
			(int64_t)loop->agent->config.agent_poll_s * 1000);
}

/* The loop. */

/* Once is once, however long it takes. */
static bool
may_list(const struct loop *loop)
{
	return loop->lister.pid == 0 &&
	       !(loop->agent->once && loop->listing_since_ms != 0);
}

static int64_t
next_list_ms(const struct loop *loop)
{
	return loop->list_ms > loop->not_before_ms ? loop->list_ms
						   : loop->not_before_ms;
}

static void
start_what_is_due(struct loop *loop)
{
	int64_t now = now_ms();

	if (loop->watcher.pid == 0 && !loop->agent->once &&
	    now >= loop->watch_ms)
		start_watcher(loop);
	if (may_list(loop) && now >= next_list_ms(loop))
		start_lister(loop);
	start_workers(loop);
}

/* Returns false when a signal asks for the end. */
static bool
wait_for_something(struct loop *loop)
{
	struct pollfd fds[] = {
		{ .fd = loop->signal_fd, .events = POLLIN },
		{ .fd = loop->lister.fd, .events = POLLIN },
		{ .fd = loop->watcher.fd, .events = POLLIN },
	};
	struct signalfd_siginfo signal;
	int64_t until_ms = INT64_MAX;
	int64_t wait_ms;

	if (may_list(loop))
		sooner(&until_ms, next_list_ms(loop));
	if (loop->watcher.pid == 0 && !loop->agent->once)
		sooner(&until_ms, loop->watch_ms);
	wait_ms = until_ms == INT64_MAX ? -1 : until_ms - now_ms();
	if (wait_ms < 0 && until_ms != INT64_MAX)
		wait_ms = 0;
	if (poll(fds, 3, (int)wait_ms) <= 0)
		return true;
	if (fds[1].revents != 0)
		hear_lister(loop);
	if (fds[2].revents != 0)
		hear_watcher(loop);
	if (fds[0].revents == 0 ||
	    read(loop->signal_fd, &signal, sizeof signal) != sizeof signal)
		return true;
	if (signal.ssi_signo != SIGCHLD)
		return false;
	reap(loop);
	return true;
}

static void
end_process(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void
finish(struct loop *loop)
{
	size_t i;

	end_process(loop->watcher.pid);
	end_process(loop->lister.pid);
	for (i = 0; i < loop->n_workers; i++)
		end_process(loop->worker[i].pid);
	close_child(&loop->watcher);
	close_child(&loop->lister);
	(void)close(loop->signal_fd);
	free(loop->job);
}

static bool
is_done(const struct loop *loop)
{
	return loop->agent->once && loop->listing_since_ms != 0 &&
	       loop->lister.pid == 0 && loop->n_jobs == 0 &&
	       loop->n_workers == 0;
}

/* Signals come as something to read, so that none is lost between two waits. */
static bool
take_signals(struct loop *loop)
{
	sigset_t ours;

	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGTERM);
	(void)sigaddset(&ours, SIGINT);
	(void)sigaddset(&ours, SIGCHLD);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	if (sigprocmask(SIG_BLOCK, &ours, &loop->before) != 0)
		return false;
	loop->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC);
	return loop->signal_fd >= 0;
}

int
og_agent_loop(const struct og_agent *agent)
{
	struct loop *loop = calloc(1, sizeof *loop);
	int status = EX_OK;

	if (loop == NULL)
		return EX_OSERR;
	loop->agent = agent;
	loop->watcher.fd = loop->lister.fd = -1;
	if (!take_signals(loop)) {
		free(loop);
		return EX_OSERR;
	}
	do
		start_what_is_due(loop);
	while (!is_done(loop) && wait_for_something(loop));
	if (agent->once && loop->failed)
		status = EX_TEMPFAIL;
	finish(loop);
	free(loop);
	return status;
}
