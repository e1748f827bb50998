/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settings.c - what a gateway's password is sealed for, in an entry and as a
 * modification will leave it.
 *
 * Values with options (";lang-en") are passed over, as the mail hosts do; none
 * comes in any more.
 */
#include "slapi/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/address.h"

static const struct {
	const char *attribute;
	size_t at; /* in struct og_settings */
} rows[] = {
	{ "outgateHost", offsetof(struct og_settings, host) },
	{ "outgatePort", offsetof(struct og_settings, port) },
	{ "outgateTLS", offsetof(struct og_settings, tls) },
	{ "outgateLogin", offsetof(struct og_settings, login) },
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static struct og_value *
value_at(struct og_settings *settings, size_t row)
{
	return (struct og_value *)(void *)((char *)settings + rows[row].at);
}

void
og_settings_read(Slapi_Entry *entry, struct og_settings *settings)
{
	size_t i;

	*settings = (struct og_settings){ 0 };
	for (i = 0; i < N_ROWS; i++) {
		char type[sizeof "outgateLogin"];
		Slapi_Attr *attribute = NULL;
		Slapi_Value *value = NULL;
		int hint;

		(void)snprintf(type, sizeof type, "%s", rows[i].attribute);
		if (slapi_entry_attr_find(entry, type, &attribute) != 0)
			continue;
		hint = slapi_attr_first_value(attribute, &value);
		while (hint != -1 && value != NULL) {
			const struct berval *octets =
			    slapi_value_get_berval(value);

			og_value_set(value_at(settings, i), octets->bv_val,
			    octets->bv_len);
			hint = slapi_attr_next_value(attribute, hint, &value);
		}
	}
}

static void
apply(struct og_value *value, const LDAPMod *mod)
{
	struct berval **given = mod->mod_bvalues;
	int operation = mod->mod_op & ~LDAP_MOD_BVALUES;
	size_t i;

	/* single-valued: whichever value is deleted, it was the one */
	if (operation == LDAP_MOD_DELETE || operation == LDAP_MOD_REPLACE)
		*value = (struct og_value){ 0 };
	if (operation == LDAP_MOD_ADD || operation == LDAP_MOD_REPLACE) {
		for (i = 0; given != NULL && given[i] != NULL; i++)
			og_value_set(value, given[i]->bv_val, given[i]->bv_len);
	} else if (operation != LDAP_MOD_DELETE) {
		/* RFC 4525: nobody increments a port */
		value->state = OG_VALUE_UNFIT;
	}
}

bool
og_settings_apply(struct og_settings *settings, LDAPMod **mods)
{
	bool ours = false;
	bool plain;
	size_t i;

	for (; *mods != NULL; mods++) {
		for (i = 0; i < N_ROWS; i++) {
			if (!og_host_is_type(
				(*mods)->mod_type, rows[i].attribute, &plain) ||
			    !plain)
				continue;
			apply(value_at(settings, i), *mods);
			ours = true;
		}
	}
	return ours;
}

bool
og_settings_has_option(const char *type)
{
	bool plain = true;
	size_t i;

	if (og_host_is_type(type, "outgateAddress", &plain))
		return !plain;
	for (i = 0; i < N_ROWS; i++) {
		if (og_host_is_type(type, rows[i].attribute, &plain))
			return !plain;
	}
	return false;
}

enum og_status
og_settings_check(const struct og_settings *settings,
    struct og_gateway *gateway, const char **attribute, struct og_error *err)
{
	struct og_gateway_record record = {
		.host = settings->host,
		.port = settings->port,
		.tls = settings->tls,
		.login = settings->login,
	};

	return og_gateway_check(&record, gateway, attribute, err);
}

enum og_status
og_settings_check_given(const struct og_settings *given, const char **attribute,
    struct og_error *err)
{
	static const char host[] = "a.example", login[] = "a";
	struct og_settings filled = *given;
	struct og_gateway ignored;

	if (filled.host.state == OG_VALUE_ABSENT)
		og_value_set(&filled.host, host, strlen(host));
	if (filled.login.state == OG_VALUE_ABSENT)
		og_value_set(&filled.login, login, strlen(login));
	return og_settings_check(&filled, &ignored, attribute, err);
}

bool
og_settings_is_address(const struct berval *value)
{
	return og_address_valid(value->bv_val, value->bv_len);
}
