/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_curl.c - log in at a gateway as a delivery would.
 *
 * libcurl speaks SMTP and TLS; what it may do is set here, and as narrow as
 * Exim's transports are: verified TLS or nothing, no address of this machine
 * or site, one login.  What the server's answers mean is in probe_talk.c.
 */
#include <curl/curl.h>
#include <ifaddrs.h>
#include <linux/tcp.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/probe.h"
#include "cli/probe_talk.h"
#include "core/network.h"
#include "core/text.h"

/* As Exim's transports: hosts_max_try. */
#define DIALS_MAX 5
/* Kept back for QUIT, which has to be answered in whole seconds. */
#define GOODBYE_MS 1000
/* Nobody's SMTP and TLS take more; see check_received(). */
#define RECEIVED_MAX (512 * 1024)
/* libcurl gives up on a line or a reply of about this. */
#define REPLY_MAX (16 * 1024)
/* What Exim speaks with gateways (OUTGATE_CIPHERS), in OpenSSL's words. */
#define CIPHERS "DEFAULT:@SECLEVEL=2"

/* One probe on its way. */
struct attempt {
	const struct og_probe *probe;
	CURL *easy;
	int64_t deadline_ms;
	struct ifaddrs *own;   /* this machine's addresses */
	const char *forbidden; /* why an address was not dialled, or NULL */
	size_t n_dialled;
	int fd[DIALS_MAX]; /* -1: closed */
	uint64_t received; /* octets, by the connection that brought most */
	struct og_talk talk;
	struct og_error *why;
};

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Which addresses. */

static bool
read_sockaddr(const struct sockaddr *from, struct og_ip *ip)
{
	if (from->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, from, sizeof in);
		ip->len = 4;
		memcpy(ip->octet, &in.sin_addr, ip->len);
		return true;
	}
	if (from->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, from, sizeof in6);
		ip->len = 16;
		memcpy(ip->octet, &in6.sin6_addr, ip->len);
		return true;
	}
	return false;
}

static bool
is_own(const struct ifaddrs *own, const struct og_ip *ip)
{
	for (; own != NULL; own = own->ifa_next) {
		struct og_ip here = { 0 };

		if (own->ifa_addr != NULL &&
		    read_sockaddr(own->ifa_addr, &here) &&
		    here.len == ip->len &&
		    memcmp(here.octet, ip->octet, ip->len) == 0)
			return true;
	}
	return false;
}

/* Is it in a network of the site?  One that cannot be read holds everything. */
static bool
is_of_site(const char *const *networks, const struct og_ip *ip)
{
	struct og_network network;
	struct og_error err;

	for (; networks != NULL && *networks != NULL; networks++) {
		if (og_network_read(*networks, &network, &err) != OG_OK ||
		    og_network_holds(&network, ip))
			return true;
	}
	return false;
}

/* Why an address is never dialled, or NULL. */
static const char *
forbids(const struct attempt *attempt, const struct sockaddr *address)
{
	struct og_ip ip = { 0 };

	if (!read_sockaddr(address, &ip))
		return "of an unknown family";
	if (is_own(attempt->own, &ip))
		return "this machine's";
	if (is_of_site(attempt->probe->networks, &ip))
		return "in own_network";
	return og_network_special(&ip);
}

/*
 * libcurl's: a socket for one address, which is the one that is dialled.  None
 * after the login: libcurl would log in a second time to repeat a command.
 */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct attempt *attempt = arg;
	const char *forbidden = forbids(attempt, &address->addr);
	int fd;

	if (forbidden != NULL)
		attempt->forbidden = forbidden;
	if (purpose != CURLSOCKTYPE_IPCXN || forbidden != NULL ||
	    attempt->talk.logged_in || attempt->n_dialled == DIALS_MAX)
		return CURL_SOCKET_BAD;
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);
	if (fd >= 0)
		attempt->fd[attempt->n_dialled++] = fd;
	return fd;
}

/* What it may take. */

/*
 * Milliseconds left, 1 at least: 0 would be "for ever".  Told to libcurl also
 * as the time for one answer, the only one that holds for QUIT.
 */
static long
tell_time(struct attempt *attempt)
{
	int64_t left_ms = attempt->deadline_ms - now_ms();
	long left_s;

	left_ms = left_ms < 1 ? 1 : left_ms;
	left_s = (long)(left_ms / 1000);
	(void)curl_easy_setopt(attempt->easy, CURLOPT_SERVER_RESPONSE_TIMEOUT,
	    left_s < 1 ? 1 : left_s);
	return (long)left_ms;
}

/* libcurl's: one line of the server's. */
static size_t
hear(char *at, size_t size, size_t n, void *arg)
{
	struct attempt *attempt = arg;

	(void)tell_time(attempt);
	return og_talk_hear(&attempt->talk, at, size * n, attempt->why)
		   ? size * n
		   : 0;
}

/* libcurl's: what else there is to write; nobody reads it. */
static size_t
swallow(char *at, size_t size, size_t n, void *arg)
{
	(void)at;
	(void)arg;
	return size * n;
}

static void
count_received(struct attempt *attempt, int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof info;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
	    info.tcpi_bytes_received > attempt->received)
		attempt->received = info.tcpi_bytes_received;
}

/*
 * libcurl's: go on?  A line without an end never reaches hear(), so what has
 * been received is counted where it arrives.
 */
static int
check_received(void *arg, curl_off_t down_all, curl_off_t down,
    curl_off_t up_all, curl_off_t up)
{
	struct attempt *attempt = arg;
	size_t i;

	(void)down_all;
	(void)down;
	(void)up_all;
	(void)up;
	for (i = 0; i < attempt->n_dialled; i++)
		count_received(attempt, attempt->fd[i]);
	return attempt->received > RECEIVED_MAX;
}

/* libcurl's: the end of a socket */
static int
close_socket(void *arg, curl_socket_t fd)
{
	struct attempt *attempt = arg;
	size_t i;

	count_received(attempt, fd);
	for (i = 0; i < attempt->n_dialled; i++) {
		if (attempt->fd[i] == fd)
			attempt->fd[i] = -1;
	}
	return close(fd);
}

/* libcurl itself. */

/*
 * libcurl keeps copies of the password and frees them as they are: what it
 * frees is overwritten first.
 */
static void
wipe_free(void *at)
{
	if (at != NULL)
		explicit_bzero(at, malloc_usable_size(at));
	free(at);
}

static void *
wipe_realloc(void *at, size_t size)
{
	size_t had = at != NULL ? malloc_usable_size(at) : 0;
	void *fresh;

	if (at != NULL && size == 0) {
		wipe_free(at);
		return NULL;
	}
	fresh = malloc(size);
	if (fresh != NULL && at != NULL) {
		memcpy(fresh, at, had < size ? had : size);
		wipe_free(at);
	}
	return fresh;
}

bool
og_probe_start(void)
{
	static bool started;

	/* it would write down the keys of our TLS */
	(void)unsetenv("SSLKEYLOGFILE");
	if (!started)
		started =
		    curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wipe_free,
			wipe_realloc, strdup, calloc) == CURLE_OK;
	return started;
}

/* true when all are set */
static bool
set_text(CURL *easy, CURLoption option, const char *text)
{
	return curl_easy_setopt(easy, option, text) == CURLE_OK;
}

static bool
set_number(CURL *easy, CURLoption option, long number)
{
	return curl_easy_setopt(easy, option, number) == CURLE_OK;
}

/* Where to, and nowhere else whatever the environment or a file says. */
static bool
set_target(struct attempt *attempt)
{
	const struct og_gateway *gateway = attempt->probe->gateway;
	char url[OG_HOST_SIZE + 32];
	struct og_text text;

	og_text_start(&text, url, sizeof url);
	og_text_putf(&text, "%s://%s:%u/",
	    gateway->tls == OG_TLS_IMPLICIT ? "smtps" : "smtp", gateway->host,
	    gateway->port);
	return !text.truncated &&
	       set_text(attempt->easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") &&
	       set_text(attempt->easy, CURLOPT_URL, url) &&
	       set_text(attempt->easy, CURLOPT_PROXY, "") &&
	       set_number(attempt->easy, CURLOPT_NETRC, CURL_NETRC_IGNORED) &&
	       set_number(attempt->easy, CURLOPT_DNS_CACHE_TIMEOUT, 0) &&
	       curl_easy_setopt(attempt->easy, CURLOPT_OPENSOCKETFUNCTION,
		   open_socket) == CURLE_OK &&
	       curl_easy_setopt(attempt->easy, CURLOPT_OPENSOCKETDATA,
		   attempt) == CURLE_OK &&
	       curl_easy_setopt(attempt->easy, CURLOPT_CLOSESOCKETFUNCTION,
		   close_socket) == CURLE_OK &&
	       curl_easy_setopt(
		   attempt->easy, CURLOPT_CLOSESOCKETDATA, attempt) == CURLE_OK;
}

/* P5: what transport/050_outgate_transports demands of TLS. */
static bool
set_tls(const struct attempt *attempt)
{
	const char *ca_file = attempt->probe->ca_file;
	CURL *easy = attempt->easy;

	/* the authorities of that file and no others beside it */
	if (ca_file[0] != '\0' && (!set_text(easy, CURLOPT_CAINFO, ca_file) ||
				      !set_text(easy, CURLOPT_CAPATH, NULL)))
		return false;
	return set_number(easy, CURLOPT_USE_SSL, CURLUSESSL_ALL) &&
	       set_number(easy, CURLOPT_SSL_VERIFYPEER, 1) &&
	       set_number(easy, CURLOPT_SSL_VERIFYHOST, 2) &&
	       set_number(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) &&
	       set_text(easy, CURLOPT_SSL_CIPHER_LIST, CIPHERS) &&
	       set_number(easy, CURLOPT_SSL_ENABLE_ALPN, 0) &&
	       set_number(easy, CURLOPT_SSL_SESSIONID_CACHE, 0);
}

static bool
set_login(const struct attempt *attempt)
{
	const struct og_probe *probe = attempt->probe;

	return set_text(
		   attempt->easy, CURLOPT_LOGIN_OPTIONS, OG_TALK_MECHANISMS) &&
	       set_text(
		   attempt->easy, CURLOPT_USERNAME, probe->gateway->login) &&
	       set_text(attempt->easy, CURLOPT_PASSWORD, probe->secret->text);
}

static bool
set_callbacks(struct attempt *attempt)
{
	CURL *easy = attempt->easy;

	return set_number(easy, CURLOPT_NOSIGNAL, 1) &&
	       /* a name that is still being looked up is not waited for */
	       set_number(easy, CURLOPT_QUICK_EXIT, 1) &&
	       set_number(easy, CURLOPT_NOPROGRESS, 0) &&
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, hear) ==
		   CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, attempt) ==
		   CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow) ==
		   CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION,
		   check_received) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_XFERINFODATA, attempt) ==
		   CURLE_OK;
}

/* What happens. */

/* libcurl's own words: they are fixed, and hold nothing of the server's. */
static enum og_probe_result
judge(const struct attempt *attempt, CURLcode code)
{
	(void)og_fail(attempt->why, OG_ESYSTEM, "%s", curl_easy_strerror(code));
	if (code == CURLE_RECV_ERROR && attempt->received > REPLY_MAX)
		return OG_PROBE_ODD;
	switch ((int)code) {
	case CURLE_COULDNT_CONNECT:
		if (attempt->n_dialled > 0 || attempt->forbidden == NULL)
			return OG_PROBE_UNREACHABLE;
		(void)og_fail(attempt->why, OG_EDENIED,
		    "every address is one that is never dialled: %s",
		    attempt->forbidden);
		return OG_PROBE_FORBIDDEN;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return OG_PROBE_UNREACHABLE;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CIPHER:
	case CURLE_USE_SSL_FAILED:
		return OG_PROBE_TLS;
	case CURLE_ABORTED_BY_CALLBACK:
		(void)og_fail(attempt->why, OG_EINPUT,
		    "more than %d octets without an end", RECEIVED_MAX);
		return OG_PROBE_ODD;
	/* a prompt where there should be none: refusals are settled before */
	case CURLE_LOGIN_DENIED:
	case CURLE_WEIRD_SERVER_REPLY:
		return OG_PROBE_ODD;
	default:
		/* no memory, no file of authorities: nothing of the server's */
		return OG_PROBE_LATER;
	}
}

/*
 * Send one command, on a connection that is made and logged in to first.
 *
 * Returns false when that settled it.
 */
static bool
command(struct attempt *attempt, const char *line)
{
	struct og_talk *talk = &attempt->talk;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	talk->code = 0;
	if (set_text(attempt->easy, CURLOPT_CUSTOMREQUEST, line) &&
	    set_number(attempt->easy, CURLOPT_TIMEOUT_MS, tell_time(attempt)))
		code = curl_easy_perform(attempt->easy);
	if (talk->settled)
		return false;
	/* a 5xx is an error to libcurl, and an answer to us */
	if (talk->logged_in && talk->code != 0)
		return true;
	talk->settled = true;
	talk->result = judge(attempt, code);
	return false;
}

/* libcurl takes the line for percent-encoded. */
static bool
write_mail(const char *address, char *out, size_t size)
{
	struct og_text text;

	og_text_start(&text, out, size);
	og_text_put(&text, "MAIL FROM:<");
	for (; *address != '\0'; address++) {
		if (*address == '%')
			og_text_put(&text, "%25");
		else
			og_text_put_octets(&text, address, 1);
	}
	og_text_put(&text, ">");
	return !text.truncated;
}

/*
 * The first RSET is there to log in: that we are let in is known before any
 * MAIL is sent.  libcurl says QUIT when its handle ends.
 */
static enum og_probe_result
talk(struct attempt *attempt)
{
	char mail[3 * OG_ADDRESS_SIZE + 16];
	const struct og_talk *heard = &attempt->talk;

	if (!write_mail(attempt->probe->address, mail, sizeof mail) ||
	    !command(attempt, "RSET"))
		return heard->result;
	if (heard->code / 100 == 2 && !command(attempt, mail))
		return heard->result;
	if (heard->code / 100 != 2) {
		(void)og_fail(attempt->why, OG_EDENIED,
		    "MAIL: answered with %d", heard->code);
		if (heard->code / 100 == 4)
			return OG_PROBE_LATER;
		return heard->code / 100 == 5 ? OG_PROBE_SENDER : OG_PROBE_ODD;
	}
	(void)command(attempt, "RSET");
	attempt->why->text[0] = '\0';
	return OG_PROBE_READY;
}

enum og_probe_result
og_probe_run(const struct og_probe *probe, struct og_error *why)
{
	struct attempt attempt = {
		.probe = probe,
		.deadline_ms = now_ms() + probe->timeout_ms - GOODBYE_MS,
		.talk = { .starttls = probe->gateway->tls == OG_TLS_STARTTLS,
		    .result = OG_PROBE_LATER },
		.why = why,
	};
	enum og_probe_result result = OG_PROBE_LATER;

	(void)og_fail(why, OG_ESYSTEM, "cannot prepare a connection");
	if (!og_address_valid(probe->address, strlen(probe->address)) ||
	    !og_probe_start() || getifaddrs(&attempt.own) != 0)
		return OG_PROBE_LATER;
	attempt.easy = curl_easy_init();
	if (attempt.easy != NULL && set_target(&attempt) && set_tls(&attempt) &&
	    set_login(&attempt) && set_callbacks(&attempt))
		result = talk(&attempt);
	/* what QUIT is answered with is nobody's business */
	attempt.talk.settled = true;
	curl_easy_cleanup(attempt.easy);
	freeifaddrs(attempt.own);
	return result;
}

void
og_probe_networks(const struct og_config *config,
    const char *networks[OG_OWN_NETWORKS_MAX + 1])
{
	size_t i;

	for (i = 0; i < config->n_own_networks; i++)
		networks[i] = config->own_network[i];
	networks[i] = NULL;
}

static const char *
meaning(enum og_probe_result result)
{
	switch (result) {
	case OG_PROBE_READY:
		return "";
	case OG_PROBE_REFUSED:
		return "refused the login";
	case OG_PROBE_SENDER:
		return "took the login, but refuses mail from this address";
	case OG_PROBE_LATER:
		return "cannot be used at the moment; try again later";
	case OG_PROBE_TLS:
		return "offers no TLS with a valid certificate of its name";
	case OG_PROBE_NO_AUTH:
		return "offers no way to log in that outgate knows";
	case OG_PROBE_UNREACHABLE:
		return "cannot be reached";
	case OG_PROBE_FORBIDDEN:
		return "leads to no server on the Internet";
	case OG_PROBE_ODD:
		return "does not answer as a mail server does";
	}
	return "";
}

void
og_probe_sentence(enum og_probe_result result, const struct og_gateway *gateway,
    char *out, size_t size)
{
	struct og_text text;

	og_text_start(&text, out, size);
	if (result == OG_PROBE_READY)
		og_text_put(&text, "ready");
	else
		og_text_putf(&text, "%s %s", gateway->host, meaning(result));
}
