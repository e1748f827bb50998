/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugin.c - where a directory server begins: outgate_seal_init().
 *
 * The arguments are the directory of the certificates and, if it is not
 * entryUUID, the owner attribute.  A server that cannot seal does not start:
 * otherwise it would take passwords, and store or refuse them all.
 */
#include <string.h>

#include "core/text.h"
#include "slapi/operation.h"

#define OWNER_DEFAULT "entryUUID"

int outgate_seal_init(Slapi_PBlock *pb);

/*
 * A directory server has no use for keys: with them whoever can read its files
 * can open what is stored there.
 */
static enum og_status
check_dir(const char *dir, struct og_error *err)
{
	struct og_keydir found;
	enum og_status status;

	status = og_keydir_list(dir, ".key", OG_FILE_PUBLIC, &found, err);
	if (status == OG_OK && found.n > 0)
		status = og_fail(err, OG_EDENIED,
		    "%s: holds keys (*.key); a directory server is given "
		    "certificates (*.crt) only",
		    dir);
	if (status == OG_OK)
		status =
		    og_keydir_list(dir, ".crt", OG_FILE_PUBLIC, &found, err);
	if (status == OG_OK && found.n == 0)
		status = og_fail(
		    err, OG_EINPUT, "%s: holds no certificate (*.crt)", dir);
	return status;
}

static enum og_status
read_arguments(
    int argc, char **argv, struct og_sealer *sealer, struct og_error *err)
{
	const char *owner = argc > 1 ? argv[1] : OWNER_DEFAULT;

	if (argc < 1 || argc > 2)
		return og_fail(err, OG_EINPUT,
		    "the arguments are a directory and, if need be, the owner "
		    "attribute");
	if (!og_text_copy(
		sealer->dir, sizeof sealer->dir, argv[0], strlen(argv[0])))
		return og_fail(err, OG_ELIMIT, "%s: too long", argv[0]);
	if (!og_text_copy(sealer->owner_attribute,
		sizeof sealer->owner_attribute, owner, strlen(owner)))
		return og_fail(err, OG_ELIMIT, "%s: too long", owner);
	return check_dir(sealer->dir, err);
}

/*
 * There is one set of arguments in a process, because slapd does not tell a
 * plug-in on whose behalf it is called.
 */
static enum og_status
settle(const struct og_sealer *wanted, struct og_error *err)
{
	static struct og_sealer settled;

	if (settled.dir[0] != '\0' &&
	    memcmp(wanted, &settled, sizeof settled) != 0)
		return og_fail(
		    err, OG_EDENIED, "loaded twice, with different arguments");
	settled = *wanted;
	og_operation_start(&settled);
	return OG_OK;
}

static bool
register_functions(Slapi_PBlock *pb)
{
	static char version[] = SLAPI_PLUGIN_VERSION_03;
	static char id[] = "outgate-seal", vendor[] = "outgate";
	static char release[] = OG_VERSION;
	static char says[] = "seals passwords of outbound gateways";
	static Slapi_PluginDesc description = { id, vendor, release, says };

	return slapi_pblock_set(pb, SLAPI_PLUGIN_VERSION, version) == 0 &&
	       slapi_pblock_set(pb, SLAPI_PLUGIN_DESCRIPTION, &description) ==
		   0 &&
	       slapi_pblock_set(pb, SLAPI_PLUGIN_PRE_ADD_FN,
		   (void *)og_operation_before_add) == 0 &&
	       slapi_pblock_set(pb, SLAPI_PLUGIN_PRE_MODIFY_FN,
		   (void *)og_operation_before_modify) == 0 &&
	       slapi_pblock_set(pb, SLAPI_PLUGIN_POST_MODIFY_FN,
		   (void *)og_operation_after_modify) == 0;
}

int
outgate_seal_init(Slapi_PBlock *pb)
{
	struct og_sealer sealer = { .dir = "" };
	enum og_status status;
	struct og_error err;
	char **argv = NULL;
	int argc = 0;

	(void)slapi_pblock_get(pb, SLAPI_PLUGIN_ARGC, &argc);
	(void)slapi_pblock_get(pb, SLAPI_PLUGIN_ARGV, &argv);
	status = read_arguments(argc, argv, &sealer, &err);
	if (status == OG_OK)
		status = settle(&sealer, &err);
	if (status == OG_OK && (!og_host_start(pb) || !register_functions(pb)))
		status = og_fail(
		    &err, OG_ESYSTEM, "the server does not take the plug-in");
	if (status == OG_OK)
		return 0;
	og_host_log("not loaded: %s", err.text);
	return -1;
}
