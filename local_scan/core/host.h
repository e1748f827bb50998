/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_HOST_H
#define OG_CORE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/*
 * host.h - which host names and ports a gateway may have.
 *
 * What passes here becomes part of an Exim host list, where almost every
 * character means something.  So nothing is repaired: a name is letters,
 * digits, hyphens and dots (LDH, RFC 1123 2.1), two labels or more, or it is
 * refused.
 */

/* 253 octets at most: RFC 1035, 2.3.4, written without the root's dot */
#define OG_HOST_SIZE 254

/*
 * A host name that may be dialled: labels of 1 to 63 LDH octets that neither
 * begin nor end with a hyphen, the last one letters only or an A-label
 * ("xn--...").  A name under a special-use domain that never leaves the
 * machine or the site (localhost, localdomain, local, internal, home.arpa,
 * lan, onion, invalid) is refused.  "test" and "example" are not: nobody is
 * harmed, and examples stay usable.
 */
bool og_host_valid(const char *text, size_t len);

/*
 * The form of a domain as an administrator writes it: as og_host_valid but
 * special-use names are allowed ("corp.internal").
 */
bool og_host_is_domain(const char *text, size_t len);

/* "smtp.partner.example", or "*.partner.example" for any name below it. */
bool og_host_pattern_valid(const char *text, size_t len);

/* Does a valid host name match a valid pattern?  ASCII case is ignored. */
bool og_host_matches(const char *host, const char *pattern);

/* Is name the domain or below it?  ASCII case is ignored. */
bool og_host_below(const char *name, const char *domain);

/*
 * Read a TCP port: 1 to 65535 in decimal, no sign, blank or leading zero.
 *
 * OG_EINPUT  it is not one; *port is untouched
 */
OG_MUST_CHECK enum og_status og_host_port(
    const char *text, uint16_t *port, struct og_error *err);

#endif
