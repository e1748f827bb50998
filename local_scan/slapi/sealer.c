/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sealer.c - a typed password becomes a sealed one.
 *
 * What users can mend they are told; what only the administrator can, he finds
 * in the log.
 */
#include "slapi/sealer.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/sealed.h"
#include "core/text.h"

#define ENTRY_UUID "entryUUID"
#define UUID_OCTETS 16

static int
look_at_sealed(const struct berval *value, struct og_error *err)
{
	uint8_t der[OG_SEALED_DER_MAX];
	size_t n;

	/* a NUL would hide the rest from the check */
	if (strlen(value->bv_val) == value->bv_len &&
	    og_sealed_decode(value->bv_val, der, &n, err) == OG_OK)
		return LDAP_SUCCESS;
	(void)og_fail(err, OG_EINPUT,
	    OG_HOST_PASSWORD ": what begins with " OG_SEALED_PREFIX
			     " must be a sealed value; type the password "
			     "itself");
	return LDAP_CONSTRAINT_VIOLATION;
}

int
og_sealer_look(const struct berval *value, bool *typed, struct og_error *err)
{
	static const char prefix[] = OG_SEALED_PREFIX;
	struct og_secret secret;
	enum og_status status;

	*typed = value->bv_len < sizeof prefix - 1 ||
		 memcmp(value->bv_val, prefix, sizeof prefix - 1) != 0;
	if (!*typed)
		return look_at_sealed(value, err);
	status = og_secret_set(&secret, value->bv_val, value->bv_len, err);
	og_secret_wipe(&secret);
	if (status == OG_OK)
		return LDAP_SUCCESS;
	og_error_prefix(err, OG_HOST_PASSWORD);
	return LDAP_CONSTRAINT_VIOLATION;
}

static bool
read_owner(Slapi_Entry *entry, const char *attribute, char owner[OG_OWNER_SIZE])
{
	char type[sizeof((struct og_sealer *)NULL)->owner_attribute];
	const struct berval *octets;
	Slapi_Attr *found = NULL;
	Slapi_Value *value = NULL;
	int n = 0;

	(void)snprintf(type, sizeof type, "%s", attribute);
	if (slapi_entry_attr_find(entry, type, &found) != 0 ||
	    slapi_attr_get_numvalues(found, &n) != 0 || n != 1 ||
	    slapi_attr_first_value(found, &value) == -1 || value == NULL)
		return false;
	octets = slapi_value_get_berval(value);
	return og_owner_set(owner, octets->bv_val, octets->bv_len);
}

/* RFC 4122, 4.4: a random one. */
static bool
make_uuid(char out[OG_OWNER_SIZE])
{
	uint8_t octet[UUID_OCTETS];
	struct og_text text;
	size_t i;

	if (getrandom(octet, sizeof octet, 0) != (ssize_t)sizeof octet)
		return false;
	octet[6] = (uint8_t)((octet[6] & 0x0f) | 0x40);
	octet[8] = (uint8_t)((octet[8] & 0x3f) | 0x80);
	og_text_start(&text, out, OG_OWNER_SIZE);
	for (i = 0; i < sizeof octet; i++)
		og_text_putf(&text, "%s%02x",
		    i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", octet[i]);
	return true;
}

static int
no_owner(const char *attribute, struct og_error *err)
{
	(void)og_fail(err, OG_EINPUT,
	    OG_HOST_PASSWORD ": the user's entry has no %s to seal it for; add "
			     "the entry first and the password then, or ask "
			     "your administrator",
	    attribute);
	return LDAP_UNWILLING_TO_PERFORM;
}

/*
 * A server makes entryUUID when it stores a new entry, and leaves one alone
 * that is there.  So a user and his gateway can be added together.
 */
static int
own_owner(const struct og_sealer *sealer, const struct og_sealer_task *task,
    char owner[OG_OWNER_SIZE], struct og_error *err)
{
	const char *attribute = sealer->owner_attribute;

	if (read_owner(task->entry, attribute, owner))
		return LDAP_SUCCESS;
	if (!task->is_new || !og_host_is_type(attribute, ENTRY_UUID, NULL) ||
	    !make_uuid(owner))
		return no_owner(attribute, err);
	slapi_entry_attr_set_charptr(task->entry, attribute, owner);
	return LDAP_SUCCESS;
}

/* A gateway in an entry of its own is its parent's. */
static int
parents_owner(const struct og_sealer *sealer, Slapi_Entry *entry,
    char owner[OG_OWNER_SIZE], struct og_error *err)
{
	char *dn = slapi_dn_parent(slapi_entry_get_dn(entry));
	Slapi_Entry *parent = NULL;
	bool found = false;

	if (dn != NULL)
		parent = og_host_entry(dn, sealer->owner_attribute);
	slapi_ch_free_string(&dn);
	if (parent == NULL) {
		(void)og_fail(err, OG_EINPUT,
		    "the entry above this one, its user's, does not exist");
		return LDAP_NO_SUCH_OBJECT;
	}
	found = read_owner(parent, sealer->owner_attribute, owner);
	slapi_entry_free(parent);
	return found ? LDAP_SUCCESS : no_owner(sealer->owner_attribute, err);
}

static int
find_owner(const struct og_sealer *sealer, const struct og_sealer_task *task,
    char owner[OG_OWNER_SIZE], struct og_error *err)
{
	if (og_host_has_class(task->entry, "outgateEntry"))
		return parents_owner(sealer, task->entry, owner, err);
	return own_owner(sealer, task, owner, err);
}

static int
check_settings(const struct og_settings *settings, struct og_gateway *gateway,
    struct og_error *err)
{
	const char *attribute = "";
	struct og_error why;

	if (og_settings_check(settings, gateway, &attribute, &why) == OG_OK)
		return LDAP_SUCCESS;
	(void)og_fail(err, OG_EINPUT,
	    "%s %s; set it before " OG_HOST_PASSWORD " or with it", attribute,
	    why.text);
	return LDAP_CONSTRAINT_VIOLATION;
}

int
og_sealer_seal(const struct og_sealer *sealer,
    const struct og_sealer_task *task, char out[OG_SEALED_SIZE],
    struct og_error *err)
{
	char owner[OG_OWNER_SIZE];
	struct og_gateway gateway;
	struct og_secret secret;
	enum og_status status;
	int code;

	out[0] = '\0';
	code = check_settings(task->settings, &gateway, err);
	if (code == LDAP_SUCCESS)
		code = find_owner(sealer, task, owner, err);
	if (code != LDAP_SUCCESS)
		return code;
	status = og_secret_set(
	    &secret, task->value->bv_val, task->value->bv_len, err);
	if (status == OG_OK)
		status = og_seal_close(
		    sealer->dir, owner, &gateway, &secret, out, err);
	og_secret_wipe(&secret);
	if (status == OG_OK)
		return LDAP_SUCCESS;
	og_host_log("a password cannot be sealed: %s", err->text);
	(void)og_fail(err, status,
	    OG_HOST_PASSWORD ": it cannot be sealed at the moment; ask your "
			     "administrator");
	return LDAP_UNWILLING_TO_PERFORM;
}
