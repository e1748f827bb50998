/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settings.c - the settings of this Exim process.
 */
#include "exim/settings.h"

#include <stdlib.h>

const struct og_config *
og_settings(struct og_error *err)
{
	static struct og_config config;
	static bool loaded;
	const char *path = getenv("OUTGATE_CONF");

	if (loaded)
		return &config;
	if (path == NULL || *path == '\0')
		path = OG_CONFIG_PATH;
	if (og_config_load(path, &config, err) != OG_OK)
		return NULL;
	loaded = true;
	return &config;
}
