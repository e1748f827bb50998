/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_RESOLVE_H
#define OG_IO_RESOLVE_H

#include "core/decide.h"
#include "io/config.h"

/*
 * resolve.h - bring the decision the records it asks for.
 */

/*
 * Decide, fetching what the decision names until it answers.
 *
 * records   {0} on entry, or what an earlier call for the same facts left
 *           there; what was fetched is left there
 * why       for the log: why something was unavailable, or what is wrong with
 *           the gateway's settings; "" when there is nothing to say
 */
void og_resolve(const struct og_config *config, const struct og_facts *facts,
    struct og_records *records, struct og_decision *decision,
    struct og_error *why);

#endif
