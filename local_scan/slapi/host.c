/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.c - the server the plug-in lives in: slapd, or 389 with -DDIRSRV.
 *
 * Facts about slapd's SLAPI that are not in its manual were read in the source
 * of OpenLDAP 2.5 (servers/slapd/slapi/) and are tested in tests/slapi/.
 */
#include "slapi/host.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "core/error.h"

/* RFC 5805, 3 */
#define TRANSACTION_OID "1.3.6.1.1.21.2"
/* draft-zeilenga-ldap-relax-03; OpenLDAP's ldap.h: LDAP_CONTROL_RELAX */
#define RELAX_OID "1.3.6.1.4.1.4203.666.5.12"
#define NAME "outgate-seal"
/* Longer than "outgatePassword" or its OID; other types are not ours. */
#define TYPE_SIZE 128

#ifdef DIRSRV
static Slapi_ComponentId *identity;
static int extension_type, extension;
#else
static Slapi_ComponentId *const identity = NULL;
#endif

static bool
describe(Slapi_PBlock *pb)
{
	static char version[] = SLAPI_PLUGIN_VERSION_03;
	static char id[] = NAME, vendor[] = "outgate", release[] = OG_VERSION;
	static char says[] = "seals passwords of outbound gateways";
	static Slapi_PluginDesc description = { id, vendor, release, says };

	return slapi_pblock_set(pb, SLAPI_PLUGIN_VERSION, version) == 0 &&
	       slapi_pblock_set(pb, SLAPI_PLUGIN_DESCRIPTION, &description) ==
		   0;
}

static bool
set_before(Slapi_PBlock *pb, const struct og_host_functions *functions)
{
	return slapi_pblock_set(pb, SLAPI_PLUGIN_PRE_ADD_FN,
		   (void *)functions->before_add) == 0 &&
	       slapi_pblock_set(pb, SLAPI_PLUGIN_PRE_MODIFY_FN,
		   (void *)functions->before_modify) == 0;
}

static bool
set_after(Slapi_PBlock *pb, const struct og_host_functions *functions)
{
	return slapi_pblock_set(pb, SLAPI_PLUGIN_POST_MODIFY_FN,
		   (void *)functions->after_modify) == 0;
}

#ifdef DIRSRV
static const struct og_host_functions *the_functions;

/* 389 has one kind of function to a plug-in: this is a plug-in of its own. */
static int
init_after(Slapi_PBlock *pb)
{
	return describe(pb) && set_after(pb, the_functions) ? 0 : -1;
}

static void *
make_nothing(void *object, void *parent)
{
	(void)object;
	(void)parent;
	return NULL;
}

static void
free_nothing(void *kept, void *object, void *parent)
{
	(void)kept;
	(void)object;
	(void)parent;
}

bool
og_host_start(Slapi_PBlock *pb, const struct og_host_functions *functions)
{
	the_functions = functions;
	return slapi_pblock_get(pb, SLAPI_PLUGIN_IDENTITY, &identity) == 0 &&
	       describe(pb) && set_before(pb, functions) &&
	       slapi_register_object_extension(NAME, SLAPI_EXT_OPERATION,
		   make_nothing, free_nothing, &extension_type,
		   &extension) == 0 &&
	       slapi_register_plugin("postoperation", 1, "init_after",
		   init_after, NAME " after", NULL, identity) == 0;
}
#else
bool
og_host_start(Slapi_PBlock *pb, const struct og_host_functions *functions)
{
	return describe(pb) && set_before(pb, functions) &&
	       set_after(pb, functions);
}
#endif

bool
og_host_is_replicated(Slapi_PBlock *pb)
{
	int replicated = 0;

	(void)slapi_pblock_get(pb, SLAPI_IS_REPLICATED_OPERATION, &replicated);
#ifndef DIRSRV
	/*
	 * slapd says so of slurpd's operations only, and there is no slurpd any
	 * more.  syncrepl works on a connection of its own, which has this
	 * number (connection_fake_init2()).
	 */
	if (replicated == 0) {
		long connection = 0;

		(void)slapi_pblock_get(pb, SLAPI_CONN_ID, &connection);
		replicated = connection == -1;
	}
#endif
	return replicated != 0;
}

static bool
has_control(Slapi_PBlock *pb, char *oid)
{
	LDAPControl **controls = NULL;

	(void)slapi_pblock_get(pb, SLAPI_REQCONTROLS, &controls);
	return slapi_control_present(controls, oid, NULL, NULL) != 0;
}

bool
og_host_is_in_transaction(Slapi_PBlock *pb)
{
	static char oid[] = TRANSACTION_OID;

	return has_control(pb, oid);
}

bool
og_host_is_relaxed(Slapi_PBlock *pb)
{
	static char oid[] = RELAX_OID;

	return has_control(pb, oid);
}

Slapi_Entry *
og_host_entry(const char *dn, const char *operational)
{
	char all[] = "*";
	char name[TYPE_SIZE];
	char *attributes[] = { all, name, NULL };
	Slapi_Entry **found = NULL;
	Slapi_Entry *entry = NULL;
	Slapi_PBlock *pb = slapi_pblock_new();

	if (pb == NULL)
		return NULL;
	(void)snprintf(name, sizeof name, "%s", operational);
	slapi_search_internal_set_pb(pb, dn, LDAP_SCOPE_BASE, "(objectClass=*)",
	    attributes, 0, NULL, NULL, identity, 0);
	if (slapi_search_internal_pb(pb) == 0 &&
	    slapi_pblock_get(pb, SLAPI_PLUGIN_INTOP_SEARCH_ENTRIES, &found) ==
		0 &&
	    found != NULL && found[0] != NULL)
		entry = slapi_entry_dup(found[0]);
	slapi_free_search_results_internal(pb);
	slapi_pblock_destroy(pb);
	return entry;
}

bool
og_host_has_class(Slapi_Entry *entry, const char *name)
{
#ifdef DIRSRV
	Slapi_Value *value = slapi_value_new_string(name);
	bool has =
	    slapi_entry_attr_has_syntax_value(entry, "objectClass", value) != 0;

	slapi_value_free(&value);
	return has;
#else
	return slapi_entry_attr_hasvalue(entry, "objectClass", name) != 0;
#endif
}

#ifdef DIRSRV
bool
og_host_may_write(Slapi_PBlock *pb, Slapi_Entry *entry)
{
	static char attribute[] = OG_HOST_PASSWORD;

	return slapi_access_allowed(
		   pb, entry, attribute, NULL, SLAPI_ACL_WRITE) == LDAP_SUCCESS;
}
#else
/*
 * Within a plug-in slapd grants everything to the operation itself: its own
 * check goes to SLAPI first, which takes "nobody has an objection" for a yes
 * (slapi_over_access_allowed()).  So another one asks, in the same name.  It
 * has no network address and no encryption, so rules about these deny.
 */
bool
og_host_may_write(Slapi_PBlock *pb, Slapi_Entry *entry)
{
	static char attribute[] = OG_HOST_PASSWORD;
	Slapi_PBlock *asking = slapi_pblock_new();
	Slapi_Backend *database = NULL;
	char *who = NULL;
	bool may;

	(void)slapi_pblock_get(pb, SLAPI_REQUESTOR_DN, &who);
	if (asking == NULL || who == NULL || who[0] == '\0') {
		slapi_pblock_destroy(asking);
		return false;
	}
	slapi_search_internal_set_pb(asking, slapi_entry_get_dn(entry),
	    LDAP_SCOPE_BASE, "(objectClass=*)", NULL, 0, NULL, NULL, NULL, 0);
	/* ACL_ADD: of an attribute's value; to delete one is another right */
	may = slapi_pblock_set(asking, SLAPI_REQUESTOR_DN, who) == 0 &&
	      slapi_pblock_get(asking, SLAPI_BACKEND, &database) == 0 &&
	      slapi_pblock_set(asking, SLAPI_BACKEND, database) == 0 &&
	      slapi_access_allowed(asking, entry, attribute, NULL,
		  SLAPI_ACL_ADD) == LDAP_SUCCESS;
	slapi_pblock_destroy(asking);
	return may;
}
#endif

bool
og_host_is_type(const char *type, const char *attribute, bool *plain)
{
	size_t len = strcspn(type, ";");
	char base[TYPE_SIZE];

	if (len >= sizeof base)
		return false;
	memcpy(base, type, len);
	base[len] = '\0';
	if (plain != NULL)
		*plain = type[len] == '\0';
	return slapi_attr_types_equivalent(base, attribute) != 0;
}

void
og_host_set_value(Slapi_Value *value, char *text)
{
#ifdef DIRSRV
	(void)slapi_value_set_string(value, text);
#else
	/*
	 * In its place: slapd's access check looks at a list that shares it
	 * with the entry, and would look at freed memory otherwise.  With a NUL
	 * behind it, which slapd relies on and slapi_value_set_string() omits.
	 */
	struct berval *octets;

	(void)slapi_value_set(value, text, strlen(text) + 1);
	octets = (struct berval *)(uintptr_t)slapi_value_get_berval(value);
	octets->bv_len = strlen(text);
#endif
}

bool
og_host_set_mods(Slapi_PBlock *pb, Slapi_Entry *entry, LDAPMod **mods)
{
#ifndef DIRSRV
	/*
	 * When slapd cannot translate them back it keeps those it had, without
	 * a word.  This function translates them as well, and tells.
	 */
	if (entry != NULL &&
	    slapi_acl_check_mods(pb, entry, mods, NULL) == LDAP_OTHER)
		return false;
#else
	(void)entry;
#endif
	return slapi_pblock_set(pb, SLAPI_MODIFY_MODS, mods) == 0;
}

int
og_host_refuse(Slapi_PBlock *pb, int code, const char *text)
{
	char copy[OG_ERROR_SIZE];

	(void)snprintf(copy, sizeof copy, "%s", text);
	slapi_send_ldap_result(pb, code, NULL, copy, 0, NULL);
	return -1;
}

void
og_host_remember(Slapi_PBlock *pb, char *text)
{
#ifdef DIRSRV
	void *operation = NULL;

	(void)slapi_pblock_get(pb, SLAPI_OPERATION, &operation);
	slapi_set_object_extension(extension_type, operation, extension, text);
#else
	/*
	 * Connections that were there before the plug-in have no extensions.
	 * This place is meant for the plug-in, and lives as long as the
	 * operation here.
	 */
	(void)slapi_pblock_set(pb, SLAPI_PLUGIN_PRIVATE, text);
#endif
}

char *
og_host_recall(Slapi_PBlock *pb)
{
#ifdef DIRSRV
	void *operation = NULL;

	(void)slapi_pblock_get(pb, SLAPI_OPERATION, &operation);
	return slapi_get_object_extension(extension_type, operation, extension);
#else
	char *text = NULL;

	(void)slapi_pblock_get(pb, SLAPI_PLUGIN_PRIVATE, &text);
	return text;
#endif
}

bool
og_host_succeeded(Slapi_PBlock *pb)
{
	int code = -1;

#ifdef DIRSRV
	(void)slapi_pblock_get(pb, SLAPI_PLUGIN_OPRETURN, &code);
#else
	(void)slapi_pblock_get(pb, SLAPI_RESULT_CODE, &code);
#endif
	return code == LDAP_SUCCESS;
}

void
og_host_write_status(const char *dn, char *text)
{
	static char type[] = OG_HOST_STATUS;
	struct berval value = { .bv_len = strlen(text), .bv_val = text };
	struct berval *values[] = { text[0] != '\0' ? &value : NULL, NULL };
	LDAPMod mod = {
		.mod_op = LDAP_MOD_REPLACE | LDAP_MOD_BVALUES,
		.mod_type = type,
		.mod_bvalues = values,
	};
	LDAPMod *mods[] = { &mod, NULL };
	Slapi_PBlock *pb = slapi_pblock_new();
	int code = -1;

	if (pb == NULL)
		return;
	slapi_modify_internal_set_pb(pb, dn, mods, NULL, NULL, identity, 0);
	(void)slapi_modify_internal_pb(pb);
	(void)slapi_pblock_get(pb, SLAPI_PLUGIN_INTOP_RESULT, &code);
	if (code != LDAP_SUCCESS)
		og_host_log("%s of an entry cannot be written: %s", type,
		    ldap_err2string(code));
	slapi_pblock_destroy(pb);
}

void
og_host_log(const char *format, ...)
{
	char line[2 * OG_ERROR_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
#ifdef DIRSRV
	(void)slapi_log_error(SLAPI_LOG_ERR, NAME, "%s\n", line);
#else
	{
		static char name[] = NAME;
		static char form[] = "%s\n";

		/* that file cannot be written where slapd is not root */
		(void)slapi_log_error(SLAPI_LOG_FATAL, name, form, line);
		syslog(LOG_ERR, NAME ": %s", line);
	}
#endif
}
