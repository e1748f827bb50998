/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_SEALED_H
#define OG_CORE_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/record.h"

/*
 * sealed.h - the outer form of a sealed password.
 *
 * A value is "{CMS}" and the base64 (RFC 4648 4, padded, canonical, no blanks)
 * of one CMS AuthEnvelopedData (RFC 5083) of the profile outgate-seal-1:
 *
 *   version 0; 1 to 4 KeyAgreeRecipientInfo, each with an ephemeral P-256 key,
 *   dhSinglePass-stdDH-sha256kdf with aes256-wrap, one encrypted key of 40
 *   octets; content id-data under aes-256-gcm, nonce 12, tag 16 octets; no
 *   originatorInfo, ukm, authAttrs or unauthAttrs; strict DER; 4096 octets at
 *   most.
 *
 * The shape is checked here, by walking the DER, before the crypto library
 * sees a single octet: whatever else CMS can express is not ours.
 */

#define OG_SEALED_PREFIX "{CMS}"
#define OG_SEALED_DER_MAX 4096

/* n octets of DER. */
bool og_sealed_shape_ok(const uint8_t *der, size_t n);

/*
 * Decode a value and check its shape.
 *
 * text   the attribute's value, a C string
 * der    takes the envelope; undefined on failure
 * n      its length in octets
 *
 * OG_EINPUT  not a value of the profile
 */
OG_MUST_CHECK enum og_status og_sealed_decode(const char *text,
    uint8_t der[OG_SEALED_DER_MAX], size_t *n, struct og_error *err);

#endif
