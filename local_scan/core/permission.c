/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * permission.c - may this user's mail take a gateway, and to which hosts?
 */
#include "core/permission.h"

#include <string.h>

#include "core/text.h"

void
og_permission_level(
    struct og_permission *permission, const struct og_value *allowed)
{
	if (permission->decided || allowed->state == OG_VALUE_ABSENT)
		return;
	permission->decided = true;
	permission->allowed = allowed->state == OG_VALUE_TEXT &&
	    strcmp(allowed->text, "TRUE") == 0;
}

enum og_status
og_permission_hosts(struct og_permission *permission,
    const struct og_value *hosts, size_t n, struct og_error *err)
{
	size_t i;

	if (permission->hosts_decided || n == 0)
		return OG_OK;
	if (n > OG_ALLOWED_HOSTS_MAX)
		return og_fail(err, OG_ELIMIT,
		    "more than %d values of outgateAllowedHost on one entry",
		    OG_ALLOWED_HOSTS_MAX);
	permission->hosts_decided = true;
	for (i = 0; i < n; i++) {
		const struct og_value *host = &hosts[i];
		size_t len = strlen(host->text);

		if (host->state == OG_VALUE_TEXT &&
		    og_host_pattern_valid(host->text, len) &&
		    og_text_copy(permission->host[permission->n_hosts],
			sizeof permission->host[0], host->text, len))
			permission->n_hosts++;
	}
	return OG_OK;
}

bool
og_permission_permits_host(
    const struct og_permission *permission, const char *host)
{
	size_t i;

	if (!permission->hosts_decided)
		return true;
	for (i = 0; i < permission->n_hosts; i++) {
		if (og_host_matches(host, permission->host[i]))
			return true;
	}
	return false;
}
