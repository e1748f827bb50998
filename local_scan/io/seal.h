/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_SEAL_H
#define OG_IO_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/gateway.h"
#include "core/record.h"
#include "io/keydir.h"

/*
 * seal.h - passwords at rest: closed for the mail hosts, bound to their use.
 *
 * The envelope is CMS AuthEnvelopedData of the shape in core/sealed.h.  Inside
 * stands one flat JSON object of strings, padded so that its length tells
 * nothing about the password:
 *
 *   {"v":"1","owner":..,"host":..,"port":"465","tls":"implicit","login":..,
 *    "secret":..,"pad":"   "}
 *
 * so a value copied to another user, or to another host, port, TLS mode or
 * login, opens for nobody.  Anyone can seal; who may store a value is for the
 * directory's access rules and for the proof to say.
 */

/* A password, 256 octets at most: Exim's authenticators overflow at 6000. */
#define OG_SECRET_SIZE 257
struct og_secret {
	size_t len;
	char text[OG_SECRET_SIZE]; /* a C string as well */
};

/* Overwrite; the declaring function does so on every path. */
void og_secret_wipe(struct og_secret *secret);

/*
 * May this be a password?  1 to 256 octets of UTF-8, no NUL, CR or LF.
 *
 * OG_EINPUT  it may not; err does not quote it
 */
OG_MUST_CHECK enum og_status og_secret_set(
    struct og_secret *secret, const char *at, size_t len, struct og_error *err);

/*
 * Seal for every certificate (*.crt, 1 to 4 of them) in dir.
 *
 * owner    the user entry's owner attribute
 * gateway  checked settings
 * out      "{CMS}..." or "" on failure
 *
 * OG_EINPUT   the owner is not 1 to 64 octets of UTF-8 without control
 *             characters, or there is no password
 * OG_ELIMIT   the login is too long once it is escaped
 * OG_ESYSTEM  no usable certificate, or the crypto library failed
 */
OG_MUST_CHECK enum og_status og_seal_close(const char *dir, const char *owner,
    const struct og_gateway *gateway, const struct og_secret *secret,
    char out[OG_SEALED_SIZE], struct og_error *err);

/*
 * Open with the keys (*.key with their *.crt) in dir.
 *
 * Keys must be regular files, not links, owned by root or by the running
 * user, not readable or writable by others and not writable by the group; the
 * directory likewise.
 *
 * OG_EINPUT   not a sealed value, damaged, or the owner is none (see above)
 * OG_EDENIED  sealed for another owner, host, port, TLS mode or login; err
 *             says "sealed for another " and the first of these
 * OG_ESYSTEM  no key here opens it: a key is missing, refused, or not ours
 *
 * secret is zeroed unless OG_OK; err never quotes a secret.
 */
OG_MUST_CHECK enum og_status og_seal_open(const char *dir, const char *owner,
    const struct og_gateway *gateway, const char *sealed,
    struct og_secret *secret, struct og_error *err);

/* For whom of a directory's certificates a value is sealed. */
struct og_seal_holders {
	size_t n; /* certificates in the directory */
	char name[OG_KEYDIR_MAX][OG_KEYDIR_NAME_SIZE];
	bool holds[OG_KEYDIR_MAX]; /* this one's key opens it */
	size_t n_others; /* recipients that are none of these */
};

/*
 * Look, by issuer and serial number; nothing is opened and no key is needed.
 *
 * OG_EINPUT   not a sealed value
 * OG_ESYSTEM  a certificate cannot be used
 */
OG_MUST_CHECK enum og_status og_seal_look(const char *dir, const char *sealed,
    struct og_seal_holders *holders, struct og_error *err);

/*
 * Do dir/name.crt and dir/name.key belong together and open what is sealed?
 *
 * expires_s   when the certificate ends, seconds since the epoch
 *
 * OG_ESYSTEM  they do not: a file is missing, refused as above, or damaged
 */
OG_MUST_CHECK enum og_status og_seal_pair(const char *dir, const char *name,
    int64_t *expires_s, struct og_error *err);

/*
 * Make a key pair dir/name.key and a self-signed certificate dir/name.crt.
 *
 * name   1 to 32 of [a-z0-9-]
 * group  numeric group that may read the key (0640), or -1 for none (0600)
 *
 * OG_EINPUT   the name is not allowed
 * OG_EDENIED  one of the files exists already: it is never overwritten
 * OG_ESYSTEM  a file could not be written; none is left behind
 */
OG_MUST_CHECK enum og_status og_seal_keygen(
    const char *dir, const char *name, long group, struct og_error *err);

#endif
