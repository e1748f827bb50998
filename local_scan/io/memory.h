/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_MEMORY_H
#define OG_IO_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/gateway.h"
#include "io/seal.h"

/*
 * memory.h - what went wrong lately, so that it is not done again at once.
 *
 * Exim's own memory of failures is kept by host: one user's mistake would make
 * everybody's mail to that host wait.  This one is kept by user and gateway, as
 * it is set up: a mended setting or a new password is a new gateway that has
 * never failed.
 *
 * A failure is a small file in a directory of the Exim user's; its name is a
 * keyed hash, its time the time of the failure.  Its group may read it.  Nothing
 * here may stop mail: what cannot be read has not happened, what cannot be
 * written is forgotten.
 */

/* The gateway a failure belongs to, as it was used. */
struct og_use {
	const char *owner;
	const struct og_gateway *gateway;
	const char *sealed; /* its outgatePassword */
};

/*
 * The login was refused for good: remember that, by the sealed value and by
 * the secret itself.
 *
 * OG_ESYSTEM  it could not be written down
 */
OG_MUST_CHECK enum og_status og_memory_refuse(const char *dir,
    const struct og_use *use, const struct og_secret *secret,
    struct og_error *err);

/*
 * Has the login with this sealed value been refused?  Needs no key: reception
 * asks so.
 */
bool og_memory_refused(const char *dir, const struct og_use *use);

/* Has it been refused with this secret, sealed anew or not? */
bool og_memory_refused_secret(const char *dir, const struct og_use *use,
    const struct og_secret *secret);

/*
 * Seconds since the login was refused with this sealed value or, unless it is
 * NULL, with this secret; -1 when it has not been.
 */
int64_t og_memory_refused_s(const char *dir, const struct og_use *use,
    const struct og_secret *secret);

/*
 * Something else failed at the gateway's server: remember it for this use and
 * for the server.
 */
OG_MUST_CHECK enum og_status og_memory_fail(
    const char *dir, const struct og_use *use, struct og_error *err);

/*
 * Seconds since this use failed, or -1 when it has not.  A time in the future
 * counts as none: the clock was set back.
 */
int64_t og_memory_failed_s(const char *dir, const struct og_use *use);

/* Milliseconds since anybody's use of this server failed, or -1. */
int64_t og_memory_stumbled_ms(
    const char *dir, const struct og_gateway *gateway);

#endif
