/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_PROOF_H
#define OG_IO_PROOF_H

#include <stdint.h>

#include "core/error.h"
#include "core/record.h"

/*
 * proof.h - signed statements that a user controls an external address.
 *
 * A proof is a compact JWS (RFC 7515) signed with Ed25519 (RFC 8037, "EdDSA").
 * Its header is a constant for each key name, compared as octets: nothing in
 * it is negotiated.  Its claims, strict flat JSON:
 *
 *   {"iss":org,"sub":owner,"email":address,"gw":"host:port","iat":s,"exp":s}
 *
 * email in lower case.  Mail hosts hold public keys only and cannot forge one.
 */

/* 400 days: a proof is renewed about once a year. */
#define OG_PROOF_LIFE_MAX_S (400L * 24 * 60 * 60)
/* How far ahead of ours the clock of the signing host may be. */
#define OG_PROOF_SKEW_S 300

struct og_claim {
	const char *issuer; /* the organisation's first domain */
	const char *owner;
	const char *address;
	const char *host; /* lower case */
	uint16_t port;
};

/*
 * Sign a claim with dir/name.key.
 *
 * issued_s, expires_s   seconds since the epoch; at most OG_PROOF_LIFE_MAX_S
 *                       apart
 * out                   the proof, or "" on failure
 */
OG_MUST_CHECK enum og_status og_proof_sign(const char *dir, const char *name,
    const struct og_claim *claim, int64_t issued_s, int64_t expires_s,
    char out[OG_PROOF_SIZE], struct og_error *err);

/*
 * Verify a proof with dir's public keys (*.pub).
 *
 * now_s   seconds since the epoch
 *
 * OG_EINPUT   not a proof, or its signature is wrong
 * OG_EDENIED  a genuine proof of something else, or expired, or of the future
 * OG_ESYSTEM  the named key could not be read although its file exists, or
 *             the directory holds no public key at all
 */
OG_MUST_CHECK enum og_status og_proof_verify(const char *dir,
    const struct og_claim *claim, int64_t now_s, const char *proof,
    struct og_error *err);

/*
 * Can dir/name.pub verify proofs?
 *
 * OG_ESYSTEM  it cannot be read, or is no key for proofs
 */
OG_MUST_CHECK enum og_status og_proof_key_check(
    const char *dir, const char *name, struct og_error *err);

/* As og_seal_keygen: dir/name.key (Ed25519, 0600) and dir/name.pub. */
OG_MUST_CHECK enum og_status og_proof_keygen(
    const char *dir, const char *name, struct og_error *err);

#endif
