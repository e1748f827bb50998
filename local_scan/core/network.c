/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network.c - which addresses a gateway's name may lead to.
 *
 * The list stands in the table below and nowhere else in C.  Addresses of this
 * machine and networks of the site are not in it: they are not the same
 * everywhere.
 */
#include "core/network.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/text.h"

/*
 * Of IPv6 nothing is left but 2000::/3 without what embeds IPv4 or is meant for
 * protocols: ::/3 holds the loopback, the mapped, translated (NAT64, RFC 6052)
 * and discarded ones, 4000::/2 and 8000::/1 what is unassigned, unique local,
 * link-local and multicast.
 */
static const struct {
	const char *cidr;
	const char *what;
} special[] = {
	{ "0.0.0.0/8", "of this network" },
	{ "10.0.0.0/8", "private" },
	{ "100.64.0.0/10", "behind a provider's NAT" },
	{ "127.0.0.0/8", "this machine's" },
	{ "169.254.0.0/16", "link-local" },
	{ "172.16.0.0/12", "private" },
	{ "192.0.0.0/24", "reserved for protocols" },
	{ "192.88.99.0/24", "a 6to4 relay's" },
	{ "192.168.0.0/16", "private" },
	{ "198.18.0.0/15", "for benchmarks" },
	{ "224.0.0.0/3", "multicast or reserved" },
	{ "::/3", "this machine's, or IPv4 within IPv6" },
	{ "4000::/2", "nobody's" },
	{ "8000::/1", "local, multicast or nobody's" },
	{ "2001::/23", "reserved for protocols" },
	{ "2002::/16", "6to4" },
};
#define N_SPECIAL (sizeof special / sizeof special[0])

/* 0 to max in decimal, no sign, blank or leading zero. */
static bool
read_prefix(const char *text, unsigned max, unsigned *prefix)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; og_text_is_digit(text[i]) && i < 3; i++)
		n = n * 10 + (unsigned)(text[i] - '0');
	if (i == 0 || text[i] != '\0' || n > max || (text[0] == '0' && i > 1))
		return false;
	*prefix = n;
	return true;
}

static bool
read_ip(const char *text, struct og_ip *ip)
{
	*ip = (struct og_ip){ .len = 4 };
	if (inet_pton(AF_INET, text, ip->octet) == 1)
		return true;
	*ip = (struct og_ip){ .len = 16 };
	return inet_pton(AF_INET6, text, ip->octet) == 1;
}

static bool
ends_in_zeros(const struct og_network *network)
{
	unsigned bit;

	for (bit = network->prefix; bit < network->ip.len * 8; bit++) {
		if ((network->ip.octet[bit / 8] & (0x80U >> bit % 8)) != 0)
			return false;
	}
	return true;
}

enum og_status
og_network_read(
    const char *text, struct og_network *network, struct og_error *err)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char address[OG_NETWORK_SIZE];
	struct og_network read = { 0 };

	if (!og_text_copy(address, sizeof address, text, len) ||
	    !read_ip(address, &read.ip))
		return og_fail(err, OG_EINPUT,
		    "a network like 192.0.2.0/24 or 2001:db8::/32 is expected");
	read.prefix = (unsigned)read.ip.len * 8;
	if (slash != NULL && !read_prefix(slash + 1, read.prefix, &read.prefix))
		return og_fail(err, OG_EINPUT,
		    "a prefix of 0 to %u bits is expected", read.prefix);
	if (!ends_in_zeros(&read))
		return og_fail(err, OG_EINPUT,
		    "an address longer than its prefix of %u bits",
		    read.prefix);
	*network = read;
	return OG_OK;
}

bool
og_network_holds(const struct og_network *network, const struct og_ip *ip)
{
	size_t whole = network->prefix / 8;
	unsigned rest = network->prefix % 8;

	if (network->ip.len != ip->len ||
	    memcmp(network->ip.octet, ip->octet, whole) != 0)
		return false;
	return rest == 0 || network->ip.octet[whole] >> (8 - rest) ==
				ip->octet[whole] >> (8 - rest);
}

const char *
og_network_special(const struct og_ip *ip)
{
	struct og_network network;
	struct og_error err;
	size_t i;

	for (i = 0; i < N_SPECIAL; i++) {
		/* a row that cannot be read opens nothing */
		if (og_network_read(special[i].cidr, &network, &err) != OG_OK ||
		    og_network_holds(&network, ip))
			return special[i].what;
	}
	return NULL;
}
