/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.c - no gateway's server keeps a delivery process for as long as it
 * likes.
 *
 * Exim's timeouts count for each command, and within TLS its GnuTLS code has
 * none where a record has begun and does not end: it waits until the server
 * hangs up.  So the module hangs up.  A killed process would have its message
 * frozen; an end of file is a failure of the server that Exim knows to handle.
 *
 * The one place where outgate handles a signal in Exim's process.  SIGALRM is
 * Exim's; this is a real-time signal that nobody uses, its handler restarts
 * what it interrupts and calls nothing but async-signal-safe functions.
 */
#include "exim/host.h"

#include "exim/watch.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MAX_S 86400
/* Descriptors are given out from 0 upwards; a transport has a dozen. */
#define MOST_FDS 256
/* It rings on: while the connection is being made there is none to shut. */
#define AGAIN_MS 500

static struct {
	pid_t pid; /* whose timer it is: a fork leaves it behind */
	int signal;
	timer_t timer;
	unsigned limit_s;
	in_port_t port; /* network order */
	volatile sig_atomic_t has_shut;
} watch;

/* The port of a socket's other end, network order; 0 when it has none. */
static in_port_t
other_port(int fd)
{
	struct sockaddr_storage other = { 0 };
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	socklen_t size = sizeof other;

	if (getpeername(fd, (struct sockaddr *)&other, &size) != 0)
		return 0;
	memcpy(&in, &other, sizeof in);
	memcpy(&in6, &other, sizeof in6);
	if (other.ss_family == AF_INET)
		return in.sin_port;
	return other.ss_family == AF_INET6 ? in6.sin6_port : 0;
}

/*
 * The time is over.  Exim names no descriptor; of all that a transport has
 * open, only what was dialled leads to a gateway's port.
 */
static void
shut(int number)
{
	int saved = errno;
	int fd;

	(void)number;
	for (fd = 0; fd < MOST_FDS; fd++) {
		if (other_port(fd) == watch.port &&
		    shutdown(fd, SHUT_RDWR) == 0)
			watch.has_shut = 1;
	}
	errno = saved;
}

static enum og_status
take_signal(struct og_error *err)
{
	struct sigaction ours = { .sa_handler = shut, .sa_flags = SA_RESTART };
	struct sigaction theirs;
	sigset_t set;
	int number;

	(void)sigfillset(&ours.sa_mask);
	for (number = SIGRTMIN; number <= SIGRTMAX; number++) {
		if (sigaction(number, NULL, &theirs) != 0 ||
		    theirs.sa_handler != SIG_DFL)
			continue;
		(void)sigemptyset(&set);
		(void)sigaddset(&set, number);
		if (sigaction(number, &ours, NULL) != 0 ||
		    sigprocmask(SIG_UNBLOCK, &set, NULL) != 0)
			break;
		watch.signal = number;
		return OG_OK;
	}
	return og_fail(err, OG_ESYSTEM, "no real-time signal is free");
}

/* One timer for each process, made when it is needed. */
static enum og_status
take_timer(struct og_error *err)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL };

	if (watch.pid == getpid())
		return OG_OK;
	if (watch.signal == 0 && take_signal(err) != OG_OK)
		return OG_ESYSTEM;
	event.sigev_signo = watch.signal;
	if (timer_create(CLOCK_MONOTONIC, &event, &watch.timer) != 0)
		return og_fail(err, OG_ESYSTEM, "timer: %s", strerror(errno));
	watch.pid = getpid();
	return OG_OK;
}

static enum og_status
read_limit(const char *text, unsigned *limit_s, struct og_error *err)
{
	unsigned long n;
	char *end;

	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || n < 1 ||
	    n > LIMIT_MAX_S)
		return og_fail(err, OG_EINPUT,
		    "time limit '%s' is not 1..%d seconds", text, LIMIT_MAX_S);
	*limit_s = (unsigned)n;
	return OG_OK;
}

enum og_status
og_watch_start(const char *limit_s, uint16_t port, struct og_error *err)
{
	struct itimerspec when = {
		.it_interval = { .tv_nsec = AGAIN_MS * 1000000L },
	};
	enum og_status status = read_limit(limit_s, &watch.limit_s, err);

	if (status == OG_OK)
		status = take_timer(err);
	if (status != OG_OK)
		return status;
	watch.port = htons(port);
	watch.has_shut = 0;
	when.it_value.tv_sec = (time_t)watch.limit_s;
	if (timer_settime(watch.timer, 0, &when, NULL) != 0)
		return og_fail(err, OG_ESYSTEM, "timer: %s", strerror(errno));
	return OG_OK;
}

unsigned
og_watch_stop(void)
{
	const struct itimerspec never = { 0 };

	if (watch.pid != getpid())
		return 0;
	(void)timer_settime(watch.timer, 0, &never, NULL);
	return watch.has_shut != 0 ? watch.limit_s : 0;
}
