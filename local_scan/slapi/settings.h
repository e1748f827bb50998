/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_SLAPI_SETTINGS_H
#define OG_SLAPI_SETTINGS_H

#include <stdbool.h>

#include "core/error.h"
#include "core/gateway.h"
#include "core/record.h"
#include "slapi/host.h"

/*
 * settings.h - what a gateway's password is sealed for, in an entry and as a
 * modification will leave it.
 */

struct og_settings {
	struct og_value host;
	struct og_value port;
	struct og_value tls;
	struct og_value login;
};

void og_settings_read(Slapi_Entry *entry, struct og_settings *settings);

/*
 * Let modifications have their effect, in their order.  Whether the server
 * will grant them is left to the server.
 *
 * Returns whether any of them is about these settings.
 */
bool og_settings_apply(struct og_settings *settings, LDAPMod **mods);

/* As og_gateway_check(). */
OG_MUST_CHECK enum og_status og_settings_check(
    const struct og_settings *settings, struct og_gateway *gateway,
    const char **attribute, struct og_error *err);

/*
 * Are those that are given of the form they must have?  One that is missing is
 * no fault: it may be there, or come later.  As og_gateway_check() otherwise.
 */
OG_MUST_CHECK enum og_status og_settings_check_given(
    const struct og_settings *given, const char **attribute,
    struct og_error *err);

/* Is this one of a gateway's settings, outgateAddress included, with options? */
bool og_settings_has_option(const char *type);

/* Is this a value for outgateAddress? */
bool og_settings_is_address(const struct berval *value);

#endif
