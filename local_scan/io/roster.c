/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * roster.c - all gateways of a directory: list them, watch them, and tell
 * their users how they are.
 *
 * What has changed is found by comparing values, not by times of change: not
 * every server has entryCSN, and modifyTimestamp knows seconds only.
 *
 * Listed are names; each entry is read by itself.  What a user stores is as
 * large as the server lets it be, and libldap gives up the connection over a
 * message that is too large: so it costs him his own gateway, and not
 * everybody theirs.
 */
#include "io/roster.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "io/ldap.h"

/* Entries in one answer; servers allow at least so many. */
#define PAGE_SIZE 500
#define GATEWAYS "(|(objectClass=outgateAccount)(objectClass=outgateEntry))"
#define PERMISSIONS "(objectClass=outgatePolicy)"
#define CHANGES "(|" GATEWAYS PERMISSIONS ")"

struct og_roster {
	LDAP *ld; /* NULL: lost */
	struct timeval timeout;
	const struct og_directory *directory;
};

static char *permission_attributes[] = { "outgateAllowed", "outgateAllowedHost",
	NULL };
static char no_attributes[] = LDAP_NO_ATTRS;

static enum og_status
fail_code(struct og_error *err, const char *what, int code)
{
	return og_fail(err, OG_ESYSTEM, "%s: %s", what, ldap_err2string(code));
}

/* The servers in turn; directory.c lets them race, but nobody waits here. */
static enum og_status
connect_any(struct og_roster *r, struct og_error *err)
{
	const int timeout_ms =
	    (int)(r->timeout.tv_sec * 1000 + r->timeout.tv_usec / 1000);
	struct og_ldap_task task = { .directory = r->directory,
		.left_ms = timeout_ms };
	enum og_status status = OG_ESYSTEM;
	struct og_error why;
	struct og_text all;
	size_t i;

	og_text_start(&all, err->text, sizeof err->text);
	for (i = 0; status != OG_OK && i < r->directory->n_uris; i++) {
		task.uri = r->directory->uri[i];
		status = og_ldap_connect(&task, &r->ld, &why);
		if (status != OG_OK)
			og_text_putf(&all, "%s%s: %s", i == 0 ? "" : "; ",
			    task.uri, why.text);
	}
	return status;
}

static void
disconnect(struct og_roster *r)
{
	if (r->ld != NULL)
		(void)ldap_unbind_ext(r->ld, NULL, NULL);
	r->ld = NULL;
}

enum og_status
og_roster_open(const struct og_directory *directory, int timeout_ms,
    struct og_roster **roster, struct og_error *err)
{
	struct og_roster *r = calloc(1, sizeof *r);
	enum og_status status;

	if (r == NULL)
		return og_fail(err, OG_ESYSTEM, "out of memory");
	r->directory = directory;
	r->timeout.tv_sec = timeout_ms / 1000;
	r->timeout.tv_usec = timeout_ms % 1000 * 1000;
	status = connect_any(r, err);
	if (status != OG_OK) {
		free(r);
		return status;
	}
	*roster = r;
	return OG_OK;
}

void
og_roster_close(struct og_roster *roster)
{
	if (roster == NULL)
		return;
	disconnect(roster);
	free(roster);
}

/* Searches. */

/*
 * One page; *cookie is the place to go on at, its length 0 at the end.
 *
 * Returns the result code.
 */
static int
read_page(struct og_roster *r, const char *filter, char **attributes,
    struct berval *cookie, LDAPMessage **found)
{
	LDAPControl *page = NULL;
	LDAPControl **answers = NULL;
	LDAPControl *controls[2] = { NULL, NULL };
	ber_int_t total = 0;
	int result = LDAP_SUCCESS;
	int code;

	code = ldap_create_page_control(
	    r->ld, PAGE_SIZE, cookie->bv_len > 0 ? cookie : NULL, 0, &page);
	if (code != LDAP_SUCCESS)
		return code;
	controls[0] = page;
	code = ldap_search_ext_s(r->ld, r->directory->base, LDAP_SCOPE_SUBTREE,
	    filter, attributes, 0, controls, NULL, &r->timeout, LDAP_NO_LIMIT,
	    found);
	ldap_control_free(page);
	ber_memfree(cookie->bv_val);
	*cookie = (struct berval){ 0 };
	if (*found != NULL &&
	    ldap_parse_result(r->ld, *found, &result, NULL, NULL, NULL,
		&answers, 0) == LDAP_SUCCESS &&
	    code == LDAP_SUCCESS) {
		page =
		    ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, answers, NULL);
		if (page != NULL)
			(void)ldap_parse_pageresponse_control(
			    r->ld, page, &total, cookie);
	}
	ldap_controls_free(answers);
	return code;
}

/* All values of the named attributes, each with its length in front. */
static void
put_values(LDAP *ld, LDAPMessage *entry, char **attributes, FILE *to)
{
	size_t i;

	for (; *attributes != NULL; attributes++) {
		struct berval **values =
		    ldap_get_values_len(ld, entry, *attributes);

		(void)fprintf(to, "%s:", *attributes);
		for (i = 0; values != NULL && values[i] != NULL; i++) {
			(void)fprintf(to, "%lu:", values[i]->bv_len);
			(void)fwrite(
			    values[i]->bv_val, 1, values[i]->bv_len, to);
		}
		ldap_value_free_len(values);
	}
}

/* What a search does with each entry. */
struct taker {
	char **attributes;
	void (*take)(struct og_roster *r, LDAPMessage *entry, void *context);
	void *context;
};

static enum og_status
search_all(struct og_roster *r, const char *filter, const struct taker *taker,
    struct og_error *err)
{
	struct berval cookie = { 0 };
	int code;

	do {
		LDAPMessage *found = NULL;
		LDAPMessage *entry = NULL;

		code = read_page(r, filter, taker->attributes, &cookie, &found);
		/* libldap aborts over an answer that did not come */
		if (found != NULL)
			entry = ldap_first_entry(r->ld, found);
		for (; entry != NULL; entry = ldap_next_entry(r->ld, entry))
			taker->take(r, entry, taker->context);
		ldap_msgfree(found);
	} while (code == LDAP_SUCCESS && cookie.bv_len > 0);
	ber_memfree(cookie.bv_val);
	if (code == LDAP_SIZELIMIT_EXCEEDED || code == LDAP_ADMINLIMIT_EXCEEDED)
		return og_fail(err, OG_ELIMIT,
		    "the directory does not show all gateways: %s",
		    ldap_err2string(code));
	if (code != LDAP_SUCCESS)
		return fail_code(err, "search for gateways", code);
	return OG_OK;
}

static void
take_permission(struct og_roster *r, LDAPMessage *entry, void *context)
{
	char *dn = ldap_get_dn(r->ld, entry);

	(void)fprintf(context, "%s:", dn != NULL ? dn : "");
	put_values(r->ld, entry, permission_attributes, context);
	ldap_memfree(dn);
}

static enum og_status
list_permissions(struct og_roster *r, const struct og_roster_visitor *visitor,
    struct og_error *err)
{
	char *state = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&state, &len);
	const struct taker taker = { permission_attributes, take_permission,
		to };
	enum og_status status;

	if (to == NULL)
		return og_fail(err, OG_ESYSTEM, "out of memory");
	status = search_all(r, PERMISSIONS, &taker, err);
	if (fclose(to) != 0)
		status = og_fail(err, OG_ESYSTEM, "out of memory");
	if (status == OG_OK)
		visitor->permissions(visitor->context, state, len);
	free(state);
	return status;
}

/* Has the entry any value of the attribute? */
static bool
has(LDAP *ld, LDAPMessage *entry, const char *attribute)
{
	struct berval **values = ldap_get_values_len(ld, entry, attribute);
	bool is = values != NULL && values[0] != NULL;

	ldap_value_free_len(values);
	return is;
}

/* The name of the entry above; to be freed by ldap_memfree, or NULL. */
static char *
name_above(const char *dn)
{
	LDAPDN rdn = NULL;
	char *above = NULL;

	if (ldap_str2dn(dn, &rdn, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS &&
	    rdn != NULL && rdn[0] != NULL)
		(void)ldap_dn2str(rdn + 1, &above, LDAP_DN_FORMAT_LDAPV3);
	ldap_dnfree(rdn);
	return above;
}

/* One entry. */

/* Returns the result code; with LDAP_SUCCESS there is an entry. */
static int
find_entry(
    struct og_roster *r, const char *dn, char **attributes, LDAPMessage **found)
{
	int code =
	    ldap_search_ext_s(r->ld, dn, LDAP_SCOPE_BASE, "(objectClass=*)",
		attributes, 0, NULL, NULL, &r->timeout, 1, found);

	if (code == LDAP_SUCCESS &&
	    (*found == NULL || ldap_first_entry(r->ld, *found) == NULL))
		return LDAP_NO_SUCH_OBJECT;
	return code;
}

static enum og_status
read_entry(struct og_roster *r, const char *dn, char **attributes,
    LDAPMessage **found, struct og_error *err)
{
	int code = find_entry(r, dn, attributes, found);

	if (code == LDAP_NO_SUCH_OBJECT)
		return og_fail(err, OG_EINPUT, "the entry is gone");
	if (code != LDAP_SUCCESS)
		return fail_code(err, "search for an entry", code);
	return OG_OK;
}

/* Every gateway. */

struct listing {
	const struct og_roster_visitor *visitor;
	char **attributes;
};

/* Each name with a NUL behind it. */
static void
take_name(struct og_roster *r, LDAPMessage *entry, void *context)
{
	char *dn = ldap_get_dn(r->ld, entry);

	if (dn != NULL)
		(void)fwrite(dn, 1, strlen(dn) + 1, context);
	ldap_memfree(dn);
}

/* *names is malloc()ed, and what is listed of it also on failure. */
static enum og_status
list_names(struct og_roster *r, char **names, size_t *len, struct og_error *err)
{
	char *attributes[] = { no_attributes, NULL };
	FILE *to = open_memstream(names, len);
	const struct taker taker = { attributes, take_name, to };
	enum og_status status;

	if (to == NULL)
		return og_fail(err, OG_ESYSTEM, "out of memory");
	status = search_all(r, GATEWAYS, &taker, err);
	if (fclose(to) != 0) {
		*len = 0;
		return og_fail(err, OG_ESYSTEM, "out of memory");
	}
	return status;
}

static void
visit_entry(struct og_roster *r, const struct listing *listing, const char *dn,
    LDAPMessage *entry)
{
	const struct og_roster_visitor *visitor = listing->visitor;
	char *state = NULL;
	char *above = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&state, &len);

	if (!has(r->ld, entry, r->directory->login_attribute))
		above = name_above(dn);
	if (to != NULL)
		put_values(r->ld, entry, listing->attributes, to);
	if (to != NULL && fclose(to) == 0)
		visitor->gateway(visitor->context, dn,
		    above != NULL ? above : dn, state, len);
	free(state);
	ldap_memfree(above);
}

/*
 * Once more on a new connection: the old one may have ended for any reason,
 * and only an entry that ends two is too large.
 *
 * OG_ESYSTEM  there is no server any more, or this entry timed out; r->ld
 *             tells which
 */
static enum og_status
visit(struct og_roster *r, const struct listing *listing, const char *dn,
    struct og_error *err)
{
	const struct og_roster_visitor *visitor = listing->visitor;
	enum og_status status = OG_OK;
	int code = LDAP_SERVER_DOWN;
	int tries;

	for (tries = 0; tries < 2 && status == OG_OK; tries++) {
		LDAPMessage *found = NULL;

		code = find_entry(r, dn, listing->attributes, &found);
		if (code == LDAP_SUCCESS)
			visit_entry(
			    r, listing, dn, ldap_first_entry(r->ld, found));
		ldap_msgfree(found);
		if (code == LDAP_SUCCESS || code == LDAP_NO_SUCH_OBJECT)
			return OG_OK;
		disconnect(r);
		status = connect_any(r, err);
	}
	if (status != OG_OK)
		return status;
	if (code != LDAP_SERVER_DOWN && code != LDAP_DECODING_ERROR)
		return fail_code(err, "search for an entry", code);
	visitor->gateway(visitor->context, dn, dn, NULL, 0);
	return OG_OK;
}

enum og_status
og_roster_list(struct og_roster *roster,
    const struct og_roster_visitor *visitor, struct og_error *err)
{
	char login[OG_ATTRIBUTE_SIZE];
	char *attributes[] = { "outgateAddress", "outgateHost", "outgatePort",
		"outgateTLS", "outgateLogin", "outgatePassword", "outgateProof",
		"outgateEnabled", "outgateStatus", login, NULL };
	const struct listing listing = { visitor, attributes };
	enum og_status status, visited;
	struct og_error why;
	char *names = NULL;
	size_t at, len = 0;

	memcpy(login, roster->directory->login_attribute, sizeof login);
	status = list_permissions(roster, visitor, err);
	if (status != OG_OK)
		return status;
	status = list_names(roster, &names, &len, err);
	for (at = 0; at < len && roster->ld != NULL;
	     at += strlen(names + at) + 1) {
		visited = visit(roster, &listing, names + at, &why);
		if (visited != OG_OK && status == OG_OK) {
			status = visited;
			*err = why;
		}
	}
	free(names);
	return status;
}

static void
read_text(
    LDAP *ld, LDAPMessage *entry, const char *attribute, struct og_value *text)
{
	struct berval **values = ldap_get_values_len(ld, entry, attribute);
	size_t i;

	for (i = 0; values != NULL && values[i] != NULL; i++)
		og_value_set(text, values[i]->bv_val, values[i]->bv_len);
	ldap_value_free_len(values);
}

/* Several are as good as one: each finds the same entry. */
static void
read_login(struct og_roster *r, LDAPMessage *message, char out[OG_LOGIN_SIZE])
{
	LDAPMessage *entry = ldap_first_entry(r->ld, message);
	struct berval **values = NULL;
	size_t i;

	if (entry != NULL)
		values = ldap_get_values_len(
		    r->ld, entry, r->directory->login_attribute);
	for (i = 0; values != NULL && values[i] != NULL && out[0] == '\0'; i++)
		(void)og_text_copy(
		    out, OG_LOGIN_SIZE, values[i]->bv_val, values[i]->bv_len);
	ldap_value_free_len(values);
}

static void
read_addresses(LDAP *ld, LDAPMessage *message, struct og_roster_entry *entry)
{
	struct berval **values =
	    ldap_get_values_len(ld, message, "outgateAddress");
	size_t i;

	for (i = 0; values != NULL && values[i] != NULL; i++) {
		if (entry->n_addresses < OG_PROOFS_MAX &&
		    og_address_valid(values[i]->bv_val, values[i]->bv_len) &&
		    og_text_copy(entry->address[entry->n_addresses],
			OG_ADDRESS_SIZE, values[i]->bv_val, values[i]->bv_len))
			entry->n_addresses++;
		else
			entry->n_odd++;
	}
	ldap_value_free_len(values);
}

/* A gateway below its user has no login of its own. */
static enum og_status
read_login_above(struct og_roster *r, const char *dn,
    struct og_roster_entry *entry, struct og_error *err)
{
	char login[OG_ATTRIBUTE_SIZE];
	char *attributes[] = { login, NULL };
	LDAPMessage *found = NULL;
	char *above = name_above(dn);
	enum og_status status = OG_OK;

	memcpy(login, r->directory->login_attribute, sizeof login);
	if (above != NULL)
		status = read_entry(r, above, attributes, &found, err);
	if (status == OG_OK && found != NULL)
		read_login(r, found, entry->login);
	ldap_msgfree(found);
	ldap_memfree(above);
	/* nobody above: nobody's gateway, which is for the caller to say */
	return status == OG_EINPUT ? OG_OK : status;
}

enum og_status
og_roster_read(struct og_roster *roster, const char *dn,
    struct og_roster_entry *entry, struct og_error *err)
{
	char login[OG_ATTRIBUTE_SIZE];
	char *attributes[] = { "outgateAddress", "outgateEnabled",
		"outgateStatus", login, NULL };
	struct og_value enabled = { 0 };
	LDAPMessage *found = NULL;
	LDAPMessage *first;
	enum og_status status;

	*entry = (struct og_roster_entry){ 0 };
	memcpy(login, roster->directory->login_attribute, sizeof login);
	status = read_entry(roster, dn, attributes, &found, err);
	if (status == OG_OK) {
		first = ldap_first_entry(roster->ld, found);
		read_addresses(roster->ld, first, entry);
		read_text(roster->ld, first, "outgateStatus", &entry->status);
		read_text(roster->ld, first, "outgateEnabled", &enabled);
		read_login(roster, found, entry->login);
		/* as the module reads it: neither absent nor TRUE is off */
		entry->enabled = enabled.state == OG_VALUE_ABSENT ||
				 strcmp(enabled.text, "TRUE") == 0;
	}
	ldap_msgfree(found);
	if (status == OG_OK && entry->login[0] == '\0')
		status = read_login_above(roster, dn, entry, err);
	return status;
}

enum og_status
og_roster_told(struct og_roster *roster, const char *dn,
    struct og_value *status, struct og_error *err)
{
	char *attributes[] = { "outgateStatus", NULL };
	LDAPMessage *found = NULL;
	enum og_status result = read_entry(roster, dn, attributes, &found, err);

	*status = (struct og_value){ 0 };
	if (result == OG_OK)
		read_text(roster->ld, ldap_first_entry(roster->ld, found),
		    "outgateStatus", status);
	ldap_msgfree(found);
	return result;
}

enum og_status
og_roster_tell(struct og_roster *roster, const char *dn, const char *status,
    struct og_error *err)
{
	char text[OG_STATUS_SIZE];
	char *values[] = { text, NULL };
	char type[] = "outgateStatus";
	LDAPMod change = { .mod_op = LDAP_MOD_REPLACE,
		.mod_type = type,
		.mod_values = values };
	LDAPMod *changes[] = { &change, NULL };
	int code;

	(void)snprintf(text, sizeof text, "%s", status);
	code = ldap_modify_ext_s(roster->ld, dn, changes, NULL, NULL);
	if (code == LDAP_NO_SUCH_OBJECT)
		return og_fail(err, OG_EINPUT, "the entry is gone");
	if (code != LDAP_SUCCESS)
		return fail_code(err, "write of outgateStatus", code);
	return OG_OK;
}

/* Watching. */

static enum og_status
fail_end(struct og_roster *r, LDAPMessage *message, struct og_error *err)
{
	int code = LDAP_OTHER;

	(void)ldap_parse_result(
	    r->ld, message, &code, NULL, NULL, NULL, NULL, 0);
	ldap_msgfree(message);
	if (code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION)
		return og_fail(
		    err, OG_EDENIED, "the directory does not tell of changes");
	return fail_code(err, "watch for changes", code);
}

/*
 * The entries of the beginning are no changes; what follows the message that
 * ends the beginning is one, each.
 */
static enum og_status
watch(struct og_roster *r, int id, void (*ring)(void *context), void *context,
    struct og_error *err)
{
	bool begun = false;
	int code = LDAP_OTHER;

	for (;;) {
		struct timeval pause = { .tv_sec = 60 };
		LDAPMessage *message = NULL;
		int type =
		    ldap_result(r->ld, id, LDAP_MSG_ONE, &pause, &message);

		if (type < 0) {
			(void)ldap_get_option(
			    r->ld, LDAP_OPT_RESULT_CODE, &code);
			return fail_code(err, "watch for changes", code);
		}
		if (type == LDAP_RES_SEARCH_RESULT)
			return fail_end(r, message, err);
		if (type == LDAP_RES_INTERMEDIATE)
			begun = true;
		if (type != 0 && begun)
			ring(context);
		ldap_msgfree(message);
	}
}

enum og_status
og_roster_watch(struct og_roster *roster, void (*ring)(void *context),
    void *context, struct og_error *err)
{
	/* RFC 4533, 2.2: SEQUENCE { ENUMERATED refreshAndPersist (3) } */
	char request[] = { 0x30, 0x03, 0x0a, 0x01, 0x03 };
	char oid[] = LDAP_CONTROL_SYNC;
	LDAPControl control = {
		.ldctl_oid = oid,
		.ldctl_value = { sizeof request, request },
		.ldctl_iscritical = 1,
	};
	LDAPControl *controls[] = { &control, NULL };
	char *attributes[] = { no_attributes, NULL };
	int code, id;

	code = ldap_search_ext(roster->ld, roster->directory->base,
	    LDAP_SCOPE_SUBTREE, CHANGES, attributes, 0, controls, NULL, NULL,
	    LDAP_NO_LIMIT, &id);
	if (code != LDAP_SUCCESS)
		return fail_code(err, "watch for changes", code);
	return watch(roster, id, ring, context, err);
}
