/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_SLAPI_HOST_H
#define OG_SLAPI_HOST_H

#include <slapi-plugin.h>
#include <stdbool.h>

/*
 * host.h - the server the plug-in lives in: slapd, or 389 with -DDIRSRV.
 *
 * The only file that includes SLAPI; where the two servers differ, host.c does.
 * We are a guest in the server's process, as the module is in Exim's: no exit,
 * no signal handler, no output.
 */

#define OG_HOST_PASSWORD "outgatePassword"
#define OG_HOST_STATUS "outgateStatus"

/* Each returns 0, or what og_host_refuse() gives. */
struct og_host_functions {
	int (*before_add)(Slapi_PBlock *pb);
	int (*before_modify)(Slapi_PBlock *pb);
	int (*after_modify)(Slapi_PBlock *pb);
};

/*
 * Have the server call these, and take from it what the others here need.
 *
 * pb          as the init function has got it
 * functions   static
 *
 * Returns false when the server does not agree.
 */
bool og_host_start(Slapi_PBlock *pb, const struct og_host_functions *functions);

/* Does the operation come from another server of the same data? */
bool og_host_is_replicated(Slapi_PBlock *pb);

/* Is it part of an LDAP transaction (RFC 5805)? */
bool og_host_is_in_transaction(Slapi_PBlock *pb);

/*
 * Has it the Relax control (draft-zeilenga-ldap-relax), which anybody may send?
 * slapd marks modifications of operational attributes then, which need another
 * right, and og_host_set_mods() takes the marks away.
 */
bool og_host_is_relaxed(Slapi_PBlock *pb);

/*
 * Read an entry, whoever asks, as it is now.
 *
 * operational   an attribute that is not among an entry's user attributes
 *
 * Returns the caller's own copy, for slapi_entry_free(), or NULL when there is
 * none or the database could not say.
 */
Slapi_Entry *og_host_entry(const char *dn, const char *operational);

/* Has it this object class, by whichever name? */
bool og_host_has_class(Slapi_Entry *entry, const char *name);

/*
 * May whoever sent the operation write the password of this entry?  For the
 * choice of an answer: what is written is checked by the server once more.
 */
bool og_host_may_write(Slapi_PBlock *pb, Slapi_Entry *entry);

/*
 * Is this the attribute, by whichever name or OID?
 *
 * plain   whether type has no options such as ";lang-en"; NULL: no matter
 */
bool og_host_is_type(const char *type, const char *attribute, bool *plain);

/* Let a value of an entry that is about to be added be this text. */
void og_host_set_value(Slapi_Value *value, char *text);

/*
 * Have the operation do these modifications, changed by us, and no others.
 *
 * Returns false when the server keeps those that were sent.
 */
bool og_host_set_mods(Slapi_PBlock *pb, Slapi_Entry *entry, LDAPMod **mods);

/*
 * Answer the operation with an error.
 *
 * code   of RFC 4511, appendix A
 *
 * Returns what the pre-operation function has to return then.
 */
int og_host_refuse(Slapi_PBlock *pb, int code, const char *text);

/*
 * Hand a text, which must be static, from before an operation to after it.
 * og_host_recall() gives NULL when there is none.
 */
void og_host_remember(Slapi_PBlock *pb, char *text);
char *og_host_recall(Slapi_PBlock *pb);

/* After an operation: has the server done it? */
bool og_host_succeeded(Slapi_PBlock *pb);

/*
 * Write outgateStatus, as the server itself; "" removes it.  A failure is
 * logged: the operation it belongs to is over.
 */
void og_host_write_status(const char *dn, char *text);

/* Tell the administrator: one line in the server's log. */
void og_host_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
