/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_SLAPI_SEALER_H
#define OG_SLAPI_SEALER_H

#include <stdbool.h>

#include "io/keydir.h"
#include "io/seal.h"
#include "slapi/host.h"
#include "slapi/settings.h"

/*
 * sealer.h - a typed password becomes a sealed one.
 *
 * The functions answer with a result code of LDAP, LDAP_SUCCESS or one that the
 * operation is to be refused with; err then holds what the user is told, and
 * never quotes a password.
 */

struct og_sealer {
	char dir[OG_KEYDIR_PATH_SIZE]; /* certificates, absolute */
	char owner_attribute[64];
};

/*
 * May this be a value of outgatePassword?
 *
 * typed   whether it has to be sealed; one that begins with "{CMS}" must be a
 *         sealed value already
 *
 * LDAP_CONSTRAINT_VIOLATION  it may not
 */
OG_MUST_CHECK int og_sealer_look(
    const struct berval *value, bool *typed, struct og_error *err);

/*
 * Seal.
 *
 * value      a typed password that og_sealer_look() has let pass
 * entry      the gateway's entry, or a new one that is about to be added
 * is_new     then; a user's own entry is given an owner attribute, if that is
 *            entryUUID and the server has not made one yet
 * settings   as they will be
 * out        the sealed value, "" on failure
 *
 * LDAP_CONSTRAINT_VIOLATION    the settings are missing or wrong
 * LDAP_NO_SUCH_OBJECT          the gateway stands below no entry
 * LDAP_UNWILLING_TO_PERFORM    there is no owner, or no certificate; the reason
 *                              is in the log
 */
struct og_sealer_task {
	const struct berval *value;
	Slapi_Entry *entry;
	bool is_new;
	const struct og_settings *settings;
};
OG_MUST_CHECK int og_sealer_seal(const struct og_sealer *sealer,
    const struct og_sealer_task *task, char out[OG_SEALED_SIZE],
    struct og_error *err);

#endif
