/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_CONFIG_H
#define OG_IO_CONFIG_H

#include "core/decide.h"
#include "core/error.h"
#include "core/network.h"
#include "io/directory.h"

/*
 * config.h - outgate.conf: "key value" lines in the manner of nslcd.conf.
 */

#define OG_CONFIG_PATH "/etc/outgate/outgate.conf"
#define OG_OWN_NETWORKS_MAX 64

/* host, a colon and a port */
#define OG_SERVER_SIZE (OG_HOST_SIZE + 6)
/* 1 to 32 of [a-z0-9-] */
#define OG_KEY_NAME_SIZE 33

struct og_config {
	struct og_org org;
	struct og_directory directory;
	char seal_dir[OG_PATH_SIZE];
	char proof_dir[OG_PATH_SIZE];
	char state_dir[OG_PATH_SIZE]; /* see memory.h */
	int hold_s; /* how long a gateway that failed is left alone */
	/* whom the command believes a gateway's certificate; "": the system's */
	char gateway_ca_file[OG_PATH_SIZE];
	/* where the command dials no gateway; each for og_network_read */
	size_t n_own_networks;
	char own_network[OG_OWN_NETWORKS_MAX][OG_NETWORK_SIZE];

	/* for `outgate agent` only; "" where nothing was said */
	size_t n_agent_uris; /* 0: those of the directory */
	char agent_uri[OG_URIS_MAX][OG_URI_SIZE];
	char agent_user[OG_USER_SIZE];
	char agent_bind_dn[OG_DN_SIZE];
	char agent_bind_password_file[OG_PATH_SIZE];
	int agent_poll_s;
	char agent_smtp[OG_SERVER_SIZE]; /* "host:port" */
	char agent_sender[OG_ADDRESS_SIZE];
	char agent_text[OG_PATH_SIZE];
	char agent_state_dir[OG_PATH_SIZE];
	char proof_key[OG_KEY_NAME_SIZE];
};

/*
 * Read the settings.
 *
 * path     absolute; a regular file, not a link, at most 64 KiB, owned by root
 *          or by the running user, not writable by group or others
 * config   complete and consistent on success, untouched otherwise
 *
 * OG_EINPUT   an unknown or repeated key, a bad or missing value; err begins
 *             with "file:line: "
 * OG_EDENIED  the file's owner, mode or type is not as it must be
 * OG_ESYSTEM  it could not be read
 */
OG_MUST_CHECK enum og_status og_config_load(
    const char *path, struct og_config *config, struct og_error *err);

#endif
