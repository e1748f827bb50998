/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_ADDRESS_H
#define OG_CORE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * address.h - the one form of mail address that can name a gateway.
 *
 * A dot-atom (RFC 5322, 3.2.3) of ASCII at a dotted ASCII host name.  No
 * quoted local parts, no literals, no comments, no Unicode: an address that
 * two programs can read in two ways must not choose anybody's gateway.
 *
 * Two addresses are the same when they are equal but for ASCII case, local
 * part included: people type their own address in any case.
 */

/* 254 octets at most: RFC 5321, 4.5.3.1.3, less the two angle brackets */
#define OG_ADDRESS_SIZE 255
/* 64 octets at most: RFC 5321, 4.5.3.1.1 */
#define OG_LOCAL_PART_MAX 64

/* len octets; a shape with encoded-word delimiters ("=?", "?=") is refused. */
bool og_address_valid(const char *text, size_t len);

/* The domain of a valid address; points into it. */
const char *og_address_domain(const char *address);

/*
 * Is this valid address in the domain or in a subdomain of it?
 *
 * domain    without a leading dot
 */
bool og_address_in_domain(const char *address, const char *domain);

#endif
