/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_NETWORK_H
#define OG_CORE_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/*
 * network.h - which addresses a gateway's name may lead to.
 *
 * Exim's router has the same list (ignore_target_hosts of outgate_gateway);
 * tests/build/test_networks.py compares them.
 */

/* An address as it is dialled. */
struct og_ip {
	size_t len; /* 4: IPv4, 16: IPv6 */
	uint8_t octet[16];
};

struct og_network {
	struct og_ip ip; /* zero behind the prefix */
	unsigned prefix; /* in bits */
};

/* "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff/128" and what else is written */
#define OG_NETWORK_SIZE 50

/*
 * Read a network, "192.0.2.0/24" or "2001:db8::/32", or one address.
 *
 * OG_EINPUT  it is none, or has bits set behind the prefix; *network is
 *            untouched
 */
OG_MUST_CHECK enum og_status og_network_read(
    const char *text, struct og_network *network, struct og_error *err);

/* An IPv4 address within an IPv6 one is in networks of IPv6 only. */
bool og_network_holds(const struct og_network *network, const struct og_ip *ip);

/*
 * Is this address one that belongs to nobody's public server, whatever the
 * machine and the site: private, loopback, link-local, multicast, reserved,
 * IPv4 within IPv6 ...?  (IANA's registries of special-purpose addresses;
 * RFC 6890.)
 *
 * Returns what it is, for a log ("private"), or NULL.
 */
const char *og_network_special(const struct og_ip *ip);

#endif
