/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_GATEWAY_H
#define OG_CORE_GATEWAY_H

#include <stdint.h>

#include "core/error.h"
#include "core/record.h"

/*
 * gateway.h - settings that have been checked and may be used.
 */

enum og_tls { OG_TLS_IMPLICIT = 0, OG_TLS_STARTTLS };

struct og_gateway {
	char host[OG_HOST_SIZE]; /* lower case */
	uint16_t port;
	enum og_tls tls;
	char login[OG_VALUE_SIZE]; /* octet for octet as the user wrote it */
};

/*
 * Check a gateway's settings.
 *
 * record      what its entry holds
 * gateway     the settings with the defaults filled in: TLS implicit, port 465
 *             for implicit and 587 for starttls; untouched on failure
 * attribute   on failure the attribute to mend, a static string
 *
 * OG_EINPUT   an attribute is missing or not of the form design of the schema
 *             gives it; err says what is wrong with it
 */
OG_MUST_CHECK enum og_status og_gateway_check(
    const struct og_gateway_record *record, struct og_gateway *gateway,
    const char **attribute, struct og_error *err);

/* "implicit" or "starttls", the words of outgateTLS. */
const char *og_tls_word(enum og_tls tls);

#endif
