/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_EXIM_SETTINGS_H
#define OG_EXIM_SETTINGS_H

#include "io/config.h"

/*
 * settings.h - the settings of this Exim process.
 *
 * Read once a process, which is once a connection: a daemon's children see a
 * change with the next connection.  OUTGATE_CONF in the environment (Exim's
 * add_environment) names another file; whatever it names must pass the checks
 * of og_config_load, so that an environment from outside gains nothing.
 *
 * Returns NULL when they cannot be read; the next call tries again.
 */
const struct og_config *og_settings(struct og_error *err);

#endif
