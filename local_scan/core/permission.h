/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_PERMISSION_H
#define OG_CORE_PERMISSION_H

#include "core/error.h"
#include "core/record.h"

/*
 * permission.h - may this user's mail take a gateway, and to which hosts?
 *
 * Each level from the user's entry up to the base may have outgateAllowed and
 * outgateAllowedHost; for each of the two the nearest level that has it wins.
 * Show the levels in that order, nearest first; start from {0}.
 */

/*
 * Take outgateAllowed of the next level; call it once a level, also with an
 * absent value.  Only the text TRUE grants (RFC 4517, 3.3.3); any other value,
 * several of them included, refuses and ends the search.
 */
void og_permission_level(
    struct og_permission *permission, const struct og_value *allowed);

/*
 * Take outgateAllowedHost of the next level.
 *
 * hosts   n values; an unfit one, or one that is no host pattern, permits
 *         nothing but still counts as "this level has the attribute"
 *
 * OG_ELIMIT  the level has more than OG_ALLOWED_HOSTS_MAX values: the chain
 *            cannot be judged
 */
OG_MUST_CHECK enum og_status og_permission_hosts(
    struct og_permission *permission, const struct og_value *hosts, size_t n,
    struct og_error *err);

/* Does the chain permit this valid host?  No outgateAllowedHost permits any. */
bool og_permission_permits_host(
    const struct og_permission *permission, const char *host);

#endif
