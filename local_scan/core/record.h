/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_RECORD_H
#define OG_CORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/host.h"

/*
 * record.h - what the directory said, as values.
 *
 * A record is what one entry holds, bounded but not yet believed: core/ checks
 * it, io/ only fills it in.  {0} means: nobody has asked.
 */

/*
 * A question to the directory ends in one of three ways.  Absent is an answer;
 * unavailable is none, and never becomes one.
 */
enum og_lookup {
	OG_UNASKED = 0,
	OG_FOUND,
	OG_ABSENT,
	OG_UNAVAILABLE,
};

/* The login a user shows the organisation's server, 128 octets at most. */
#define OG_LOGIN_SIZE 129
/* What names a user for ever: entryUUID is 36 octets, others may be longer. */
#define OG_OWNER_SIZE 65

/*
 * Take an owner attribute's only value.  entryUUID is text; where the owner is
 * another attribute it may be octets (objectGUID), which are written in
 * hexadecimal.
 *
 * Returns false when it is empty or too long.
 */
bool og_owner_set(char owner[OG_OWNER_SIZE], const char *at, size_t len);

/* A value of one attribute of a gateway, 256 octets at most. */
#define OG_VALUE_SIZE 257
enum og_value_state {
	OG_VALUE_ABSENT = 0,
	OG_VALUE_TEXT,	/* .text holds it */
	OG_VALUE_UNFIT, /* several values, too long, or control characters */
};
struct og_value {
	enum og_value_state state;
	char text[OG_VALUE_SIZE]; /* "" unless OG_VALUE_TEXT */
};

/*
 * Take a value as the directory holds it: len octets that may hold anything.
 * A second call for the same value makes it UNFIT: the attribute is single.
 */
void og_value_set(struct og_value *value, const char *at, size_t len);

/* "{CMS}" and the base64 of 4096 octets of DER; see sealed.h. */
#define OG_SEALED_SIZE (5 + 5464 + 1)
/* One compact JWS; a proof of ours has about 300 octets. */
#define OG_PROOF_SIZE 1024
/* A gateway serves at most this many addresses, one proof each. */
#define OG_PROOFS_MAX 100

/* The gateway entry that serves one address. */
struct og_gateway_record {
	struct og_value host;
	struct og_value port;
	struct og_value tls;
	struct og_value login;
	bool password_present; /* the entry has a password of some form */
	char password[OG_SEALED_SIZE]; /* "" when absent or too long */
	size_t n_proofs;
	char proof[OG_PROOFS_MAX][OG_PROOF_SIZE];
};

#define OG_ALLOWED_HOSTS_MAX 64
/* The permission as it stands after the levels seen so far; see permission.h. */
struct og_permission {
	bool decided; /* a level had outgateAllowed */
	bool allowed;
	bool hosts_decided; /* a level had outgateAllowedHost */
	size_t n_hosts;
	char host[OG_ALLOWED_HOSTS_MAX][OG_HOST_SIZE + 2]; /* "*." and a name */
};

/* All that may be known of one message's sender and gateway. */
struct og_records {
	enum og_lookup user; /* the entry with the sender's login */
	char owner[OG_OWNER_SIZE];

	/* FOUND: the unreadable From text holds one of the user's addresses */
	enum og_lookup mention;

	enum og_lookup gateway; /* an enabled gateway that serves the address */
	bool several_gateways;	/* more than one does; .entry is none of them */
	struct og_gateway_record entry;

	enum og_lookup permission; /* FOUND once the chain has been read */
	struct og_permission chain;

	/* FOUND: a proof is valid for owner, address, host and port */
	enum og_lookup proof;

	/* FOUND: the server has refused the login with this very password */
	enum og_lookup refused;
};

#endif
