/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operation.c - what the plug-in does before and after an ADD or a MODIFY.
 *
 * Before: every typed password becomes a sealed one, or the operation is
 * refused; either way nothing that comes later (database, access log, replica)
 * sees what was typed.  Who may write is decided by the server's access rules,
 * later; only where a refusal would tell something of the entry are they asked
 * here.  What comes from another server
 * of the same data is left alone: two servers would differ otherwise.
 *
 * Settings that are given and wrong are refused too, with the same words that a
 * mail host would have for them.
 *
 * After: a user who has changed what the password is sealed for, and not the
 * password, reads so in outgateStatus.  That is written by the server itself,
 * because users must not be able to write it.
 */
#include "slapi/operation.h"

#include <string.h>

#define ADDRESS "outgateAddress"
#define RETYPE "retype the password: "

static struct og_sealer the_sealer;

/* A modification of an entry, as far as it concerns us. */
struct change {
	Slapi_PBlock *pb;
	char *dn;
	LDAPMod **mods;
	bool typed;	    /* it brings a password that is to be sealed */
	bool given;	    /* ... or one that is sealed already */
	bool touched;	    /* ... or removes one */
	bool resets;	    /* it is about what a password is sealed for */
	Slapi_Entry *entry; /* before; NULL when there is none */
	struct og_settings before;
	struct og_settings after;
};

void
og_operation_start(const struct og_sealer *sealer)
{
	the_sealer = *sealer;
}

static bool
is_operation(const LDAPMod *mod, int operation)
{
	return (mod->mod_op & ~LDAP_MOD_BVALUES) == operation;
}

static size_t
count_values(const LDAPMod *mod)
{
	size_t n = 0;

	while (mod->mod_bvalues != NULL && mod->mod_bvalues[n] != NULL)
		n++;
	return n;
}

static int
bad_option(const char *what, struct og_error *err)
{
	(void)og_fail(err, OG_EINPUT,
	    "%s is given without options such as ;lang-en", what);
	return LDAP_CONSTRAINT_VIOLATION;
}

static int
several_values(struct og_error *err)
{
	(void)og_fail(
	    err, OG_EINPUT, OG_HOST_PASSWORD " has one value and no more");
	return LDAP_CONSTRAINT_VIOLATION;
}

static int
look_at_mod(const LDAPMod *mod, bool plain, bool *typed, struct og_error *err)
{
	size_t n = count_values(mod);

	*typed = false;
	if (n == 0)
		return LDAP_SUCCESS;
	if (is_operation(mod, LDAP_MOD_DELETE)) {
		/* the server says the same, but it logs the value as well */
		(void)og_fail(err, OG_EINPUT,
		    OG_HOST_PASSWORD " cannot be deleted by its value; delete "
				     "it without one, or replace it");
		return LDAP_INAPPROPRIATE_MATCHING;
	}
	if (!plain)
		return bad_option(OG_HOST_PASSWORD, err);
	if (n > 1)
		return several_values(err);
	return og_sealer_look(mod->mod_bvalues[0], typed, err);
}

/* A setting that no mail host will use is refused while its user looks on. */
static int
look_at_settings(const struct og_settings *given, struct og_error *err)
{
	const char *attribute = "";

	struct og_error why;

	if (og_settings_check_given(given, &attribute, &why) == OG_OK)
		return LDAP_SUCCESS;
	(void)og_fail(err, OG_EINPUT, "%s %s", attribute, why.text);
	return LDAP_CONSTRAINT_VIOLATION;
}

static int
look_at_address(const struct berval *value, struct og_error *err)
{
	if (og_settings_is_address(value))
		return LDAP_SUCCESS;
	(void)og_fail(err, OG_EINPUT,
	    ADDRESS " is not a plain address like jo.doe@partner.example");
	return LDAP_CONSTRAINT_VIOLATION;
}

static int
look_at_addresses(LDAPMod *const *mods, struct og_error *err)
{
	int code = LDAP_SUCCESS;
	size_t i;

	for (; code == LDAP_SUCCESS && *mods != NULL; mods++) {
		if (is_operation(*mods, LDAP_MOD_DELETE) ||
		    !og_host_is_type((*mods)->mod_type, ADDRESS, NULL))
			continue;
		for (i = 0; code == LDAP_SUCCESS && i < count_values(*mods);
		     i++)
			code = look_at_address((*mods)->mod_bvalues[i], err);
	}
	return code;
}

/* What is in the request, without a look at the entry. */
static int
look_at_mods(struct change *change, struct og_error *err)
{
	struct og_settings given = { 0 };
	int code = LDAP_SUCCESS;
	LDAPMod **mod;
	bool plain;

	for (mod = change->mods; code == LDAP_SUCCESS && *mod != NULL; mod++) {
		bool typed;

		if (og_settings_has_option((*mod)->mod_type) &&
		    count_values(*mod) > 0)
			code = bad_option("a gateway's setting", err);
		if (code != LDAP_SUCCESS ||
		    !og_host_is_type(
			(*mod)->mod_type, OG_HOST_PASSWORD, &plain))
			continue;
		change->touched = true;
		if (count_values(*mod) == 0)
			continue;
		/* each is sealed, at a price: one is enough */
		code = change->given ? several_values(err) :
				       look_at_mod(*mod, plain, &typed, err);
		change->given = true;
		if (code == LDAP_SUCCESS)
			change->typed = typed;
	}
	change->resets = og_settings_apply(&given, change->mods);
	if (code == LDAP_SUCCESS)
		code = look_at_settings(&given, err);
	if (code == LDAP_SUCCESS)
		code = look_at_addresses(change->mods, err);
	return code;
}

static int
read_entry(struct change *change, struct og_error *err)
{
	change->entry = og_host_entry(change->dn, the_sealer.owner_attribute);
	if (change->entry == NULL) {
		(void)og_fail(err, OG_EINPUT, "there is no such entry");
		return LDAP_NO_SUCH_OBJECT;
	}
	og_settings_read(change->entry, &change->before);
	change->after = change->before;
	(void)og_settings_apply(&change->after, change->mods);
	return LDAP_SUCCESS;
}

/* Whoever may not write the password is not told what else is in the entry. */
static int
no_access(struct og_error *err)
{
	(void)og_fail(err, OG_EDENIED, "no write access to " OG_HOST_PASSWORD);
	return LDAP_INSUFFICIENT_ACCESS;
}

static int
in_transaction(struct og_error *err)
{
	/* the settings of its other operations cannot be seen */
	(void)og_fail(err, OG_EINPUT,
	    OG_HOST_PASSWORD " cannot be given in a transaction");
	return LDAP_UNWILLING_TO_PERFORM;
}

static int
relaxed(struct og_error *err)
{
	(void)og_fail(err, OG_EINPUT,
	    OG_HOST_PASSWORD " cannot be given with the Relax control");
	return LDAP_UNWILLING_TO_PERFORM;
}

static void
set_value(struct berval *value, const char *text)
{
	explicit_bzero(value->bv_val, value->bv_len);
	slapi_ch_free((void **)&value->bv_val);
	value->bv_val = slapi_ch_strdup(text);
	value->bv_len = strlen(text);
}

/* A tool that cannot read the old password sends ADD: it means REPLACE. */
static int
seal_mod(const struct change *change, LDAPMod *mod, struct og_error *err)
{
	struct og_sealer_task task = {
		.value = mod->mod_bvalues[0],
		.entry = change->entry,
		.settings = &change->after,
	};
	char sealed[OG_SEALED_SIZE];
	int code;

	code = og_sealer_seal(&the_sealer, &task, sealed, err);
	if (code == LDAP_SUCCESS)
		set_value(mod->mod_bvalues[0], sealed);
	return code;
}

static int
seal_mods(const struct change *change, struct og_error *err)
{
	int code = LDAP_SUCCESS;
	LDAPMod **mod;

	for (mod = change->mods; code == LDAP_SUCCESS && *mod != NULL; mod++) {
		bool typed = false;

		if (!og_host_is_type(
			(*mod)->mod_type, OG_HOST_PASSWORD, NULL) ||
		    count_values(*mod) == 0)
			continue;
		code = og_sealer_look((*mod)->mod_bvalues[0], &typed, err);
		if (code == LDAP_SUCCESS && typed)
			code = seal_mod(change, *mod, err);
		if (is_operation(*mod, LDAP_MOD_ADD))
			(*mod)->mod_op = LDAP_MOD_REPLACE | LDAP_MOD_BVALUES;
	}
	if (code != LDAP_SUCCESS ||
	    og_host_set_mods(change->pb, change->entry, change->mods))
		return code;
	(void)og_fail(err, OG_ESYSTEM,
	    OG_HOST_PASSWORD ": the server does not take the sealed value");
	return LDAP_UNWILLING_TO_PERFORM;
}

/* What was refused may still be logged: it shall show no password. */
static void
obscure(const struct change *change)
{
	LDAPMod **mod;
	size_t i;

	for (mod = change->mods; *mod != NULL; mod++) {
		if (!og_host_is_type((*mod)->mod_type, OG_HOST_PASSWORD, NULL))
			continue;
		for (i = 0; i < count_values(*mod); i++)
			memset((*mod)->mod_bvalues[i]->bv_val, '*',
			    (*mod)->mod_bvalues[i]->bv_len);
	}
	(void)og_host_set_mods(change->pb, change->entry, change->mods);
}

static char *
sentence(const struct og_gateway *was, const struct og_gateway *is)
{
	static char host[] = RETYPE "the server's name was changed";
	static char port[] = RETYPE "the server's port was changed";
	static char tls[] = RETYPE "the TLS mode was changed";
	static char login[] = RETYPE "the login was changed";

	if (strcmp(was->host, is->host) != 0)
		return host;
	if (was->tls != is->tls)
		return tls;
	if (was->port != is->port)
		return port;
	return strcmp(was->login, is->login) != 0 ? login : NULL;
}

static bool
has_password(Slapi_Entry *entry)
{
	static char type[] = OG_HOST_PASSWORD;
	Slapi_Attr *found = NULL;

	return slapi_entry_attr_find(entry, type, &found) == 0;
}

/* What outgateStatus has to say afterwards: NULL nothing new, "" nothing. */
static char *
status_of(const struct change *change)
{
	static char unknown[] =
	    RETYPE "the server, port, TLS mode or login was changed";
	static char none[] = "";
	struct og_gateway was, is;
	const char *attribute;
	struct og_error err;
	char *old, *status = NULL;

	old = slapi_entry_attr_get_charptr(change->entry, OG_HOST_STATUS);
	if (change->given) {
		if (old != NULL && strncmp(old, RETYPE, strlen(RETYPE)) == 0)
			status = none;
	} else if (!change->touched && has_password(change->entry) &&
		   og_settings_check(&change->after, &is, &attribute, &err) ==
		       OG_OK) {
		if (og_settings_check(
			&change->before, &was, &attribute, &err) == OG_OK)
			status = sentence(&was, &is);
		else
			status = unknown;
		if (status != NULL && old != NULL && strcmp(old, status) == 0)
			status = NULL;
	}
	slapi_ch_free_string(&old);
	return status;
}

static int
modify(struct change *change, struct og_error *err)
{
	int code = look_at_mods(change, err);

	if (code == LDAP_SUCCESS && change->typed &&
	    og_host_is_in_transaction(change->pb))
		code = in_transaction(err);
	if (code == LDAP_SUCCESS && change->given &&
	    og_host_is_relaxed(change->pb))
		code = relaxed(err);
	if (code != LDAP_SUCCESS || (!change->given && !change->resets))
		return code;
	code = read_entry(change, err);
	if (code == LDAP_NO_SUCH_OBJECT && !change->given)
		return LDAP_SUCCESS; /* for the server to say */
	if (code == LDAP_SUCCESS && change->given) {
		code = seal_mods(change, err);
		if (code != LDAP_SUCCESS &&
		    !og_host_may_write(change->pb, change->entry))
			code = no_access(err);
	}
	/* writing within a transaction would wait for its own end */
	if (code == LDAP_SUCCESS && !og_host_is_in_transaction(change->pb))
		og_host_remember(change->pb, status_of(change));
	return code;
}

int
og_operation_before_modify(Slapi_PBlock *pb)
{
	struct change change = { .pb = pb };
	struct og_error err = { "" };
	int code;

	if (og_host_is_replicated(pb) ||
	    slapi_pblock_get(pb, SLAPI_MODIFY_MODS, &change.mods) != 0 ||
	    change.mods == NULL ||
	    slapi_pblock_get(pb, SLAPI_TARGET_DN, &change.dn) != 0)
		return 0;
	code = modify(&change, &err);
	if (code != LDAP_SUCCESS)
		obscure(&change);
	slapi_entry_free(change.entry);
	return code == LDAP_SUCCESS ? 0 : og_host_refuse(pb, code, err.text);
}

int
og_operation_after_modify(Slapi_PBlock *pb)
{
	char *status = og_host_recall(pb);
	char *dn = NULL;

	if (status != NULL && og_host_succeeded(pb) &&
	    slapi_pblock_get(pb, SLAPI_TARGET_DN, &dn) == 0 && dn != NULL)
		og_host_write_status(dn, status);
	return 0;
}

/* The password of an attribute of a new entry, which may be of any type. */
static int
look_at_attribute(Slapi_Attr *attribute, Slapi_Value **value, bool *typed,
    struct og_error *err)
{
	char *type = NULL;
	bool plain;
	int n = 0;

	(void)slapi_attr_get_type(attribute, &type);
	if (type != NULL && og_settings_has_option(type))
		return bad_option("a gateway's setting", err);
	if (type == NULL || !og_host_is_type(type, OG_HOST_PASSWORD, &plain))
		return LDAP_SUCCESS;
	if (!plain)
		return bad_option(OG_HOST_PASSWORD, err);
	(void)slapi_attr_get_numvalues(attribute, &n);
	if (n != 1 || *value != NULL ||
	    slapi_attr_first_value(attribute, value) == -1)
		return several_values(err);
	return og_sealer_look(slapi_value_get_berval(*value), typed, err);
}

/* The password of a new entry; NULL when it has none. */
static int
look_at_entry(
    Slapi_Entry *entry, Slapi_Value **value, bool *typed, struct og_error *err)
{
	Slapi_Attr *attribute = NULL;
	int code = LDAP_SUCCESS;
	int more;

	*value = NULL;
	*typed = false;
	for (more = slapi_entry_first_attr(entry, &attribute);
	     code == LDAP_SUCCESS && more == 0 && attribute != NULL;
	     more = slapi_entry_next_attr(entry, attribute, &attribute))
		code = look_at_attribute(attribute, value, typed, err);
	return code;
}

/* As obscure(), for an entry that was refused. */
static void
obscure_entry(Slapi_Entry *entry)
{
	Slapi_Attr *attribute = NULL;
	int more;

	for (more = slapi_entry_first_attr(entry, &attribute);
	     more == 0 && attribute != NULL;
	     more = slapi_entry_next_attr(entry, attribute, &attribute)) {
		Slapi_Value *value = NULL;
		char *type = NULL;
		int hint;

		(void)slapi_attr_get_type(attribute, &type);
		if (type == NULL ||
		    !og_host_is_type(type, OG_HOST_PASSWORD, NULL))
			continue;
		for (hint = slapi_attr_first_value(attribute, &value);
		     hint != -1 && value != NULL;
		     hint = slapi_attr_next_value(attribute, hint, &value)) {
			const struct berval *octets =
			    slapi_value_get_berval(value);

			memset(octets->bv_val, '*', octets->bv_len);
		}
	}
}

static int
look_at_rest(Slapi_Entry *entry, const struct og_settings *settings,
    struct og_error *err)
{
	static char type[] = ADDRESS;
	Slapi_Attr *attribute = NULL;
	Slapi_Value *value = NULL;
	int code = look_at_settings(settings, err);
	int hint;

	if (slapi_entry_attr_find(entry, type, &attribute) != 0)
		return code;
	for (hint = slapi_attr_first_value(attribute, &value);
	     code == LDAP_SUCCESS && hint != -1 && value != NULL;
	     hint = slapi_attr_next_value(attribute, hint, &value))
		code = look_at_address(slapi_value_get_berval(value), err);
	return code;
}

static int
seal_entry(Slapi_Entry *entry, Slapi_Value *value,
    const struct og_settings *settings, struct og_error *err)
{
	const struct berval *octets = slapi_value_get_berval(value);
	struct og_sealer_task task = { octets, entry, true, settings };
	char sealed[OG_SEALED_SIZE];
	int code;

	code = og_sealer_seal(&the_sealer, &task, sealed, err);
	if (code != LDAP_SUCCESS)
		return code;
	explicit_bzero(octets->bv_val, octets->bv_len);
	og_host_set_value(value, sealed);
	return LDAP_SUCCESS;
}

static int
add(Slapi_PBlock *pb, Slapi_Entry *entry, struct og_error *err)
{
	struct og_settings settings;
	Slapi_Value *value;
	bool typed;
	int code;

	code = look_at_entry(entry, &value, &typed, err);
	og_settings_read(entry, &settings);
	if (code == LDAP_SUCCESS)
		code = look_at_rest(entry, &settings, err);
	if (code == LDAP_SUCCESS && typed && og_host_is_in_transaction(pb))
		code = in_transaction(err);
	if (code == LDAP_SUCCESS && typed)
		code = seal_entry(entry, value, &settings, err);
	if (code != LDAP_SUCCESS)
		obscure_entry(entry);
	return code;
}

int
og_operation_before_add(Slapi_PBlock *pb)
{
	struct og_error err = { "" };
	Slapi_Entry *entry = NULL;
	int code;

	if (og_host_is_replicated(pb) ||
	    slapi_pblock_get(pb, SLAPI_ADD_ENTRY, &entry) != 0 || entry == NULL)
		return 0;
	code = add(pb, entry, &err);
	return code == LDAP_SUCCESS ? 0 : og_host_refuse(pb, code, err.text);
}
