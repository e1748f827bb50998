/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ldap.c - ask one LDAP server, for as long as it takes.
 *
 * A bind and two flights: the user's entry, then everything that depends on
 * where it stands, sent together.  What the server selects is selected once
 * more here.  Deadlines are the caller's: see directory.c.
 *
 * Two logins are the same when the matching rule of the login attribute says
 * so ("Jo" and "jo "): the organisation's server has authenticated the login
 * against the same directory, and who the user is comes from the owner
 * attribute of the one entry found, which all spellings share.
 */
#include "io/ldap.h"

#include <ldap.h>
#include <ldap_schema.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/permission.h"
#include "core/sealed.h"
#include "core/text.h"
#include "io/file.h"

#define CA_FILE_DEFAULT "/etc/ssl/certs/ca-certificates.crt"
/* A bind password; directory managers' are shorter. */
#define PASSWORD_SIZE 1024
/* From the user's entry up to the base, both included. */
#define LEVELS_MAX 16
/* Entries for one login: a second one must show. */
#define USERS_MAX 2
/* A user's entries for one address: one, and some that are switched off. */
#define GATEWAYS_MAX 8
/* Addresses of one user that are looked for in an unreadable From. */
#define MENTIONS_MAX 1000
/*
 * One message of the server's, which is at most one entry: a hundred proofs
 * and addresses are 130 KiB.
 */
#define MESSAGE_MAX (1024 * 1024)
/* "(attribute=" value ")", every octet of the value escaped */
#define FILTER_SIZE (OG_ATTRIBUTE_SIZE + 3 * OG_ADDRESS_SIZE + 4)

/* A distinguished name, as its relative names from the entry upwards. */
struct dn {
	LDAPDN rdn;
	size_t n;
};

/* The values of one attribute; they lie in the message. */
struct values {
	BerVarray at;
	size_t n;
};

/* One conversation with one server. */
struct session {
	const struct og_ldap_task *task;
	struct timeval left;
	LDAP *ld;
	struct dn base;
	struct dn user; /* the user's entry, once it is found */
};

struct search {
	const char *what; /* fixed words for an error text */
	const char *base;
	int scope;
	const char *filter;
	char **attributes;
	int limit;     /* entries; more are an error */
	int tolerated; /* a result code that stands for "no entries", or 0 */
	int id;	       /* once sent */
};

static char *policy_attributes[] = { "outgateAllowed", "outgateAllowedHost",
	NULL };
static char *gateway_attributes[] = { "outgateAddress", "outgateHost",
	"outgatePort", "outgateTLS", "outgateLogin", "outgatePassword",
	"outgateProof", "outgateEnabled", NULL };
static char *address_attributes[] = { "outgateAddress", NULL };

/* Fixed words and libldap's word for the code, nothing of the server's. */
static enum og_status
fail_code(struct og_error *err, const char *what, int code)
{
	return og_fail(err, OG_ESYSTEM, "%s: %s", what, ldap_err2string(code));
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Only a Unix socket may do without TLS; an odd spelling is none. */
static bool
is_local(const char *uri)
{
	return begins(uri, "ldapi://");
}

/* Distinguished names. */

static enum og_status
dn_read(struct berval *text, struct dn *dn, struct og_error *err)
{
	LDAPDN rdn = NULL;

	if (ldap_bv2dn(text, &rdn, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		return og_fail(err, OG_EINPUT, "a name that is none");
	dn->rdn = rdn;
	for (dn->n = 0; rdn != NULL && rdn[dn->n] != NULL; dn->n++)
		continue;
	return OG_OK;
}

static bool
same_ava(const LDAPAVA *a, const LDAPAVA *b)
{
	return og_text_same_octets(a->la_attr.bv_val, a->la_attr.bv_len,
		   b->la_attr.bv_val, b->la_attr.bv_len) &&
	       og_text_same_octets(a->la_value.bv_val, a->la_value.bv_len,
		   b->la_value.bv_val, b->la_value.bv_len);
}

static bool
same_rdn(LDAPRDN a, LDAPRDN b)
{
	size_t i;

	for (i = 0; a[i] != NULL && b[i] != NULL; i++) {
		if (!same_ava(a[i], b[i]))
			return false;
	}
	return a[i] == NULL && b[i] == NULL;
}

/*
 * Is a name the top or below it?  Values are the same but for ASCII case: a
 * server that spells its names in several ways is not understood, and the
 * answer is no.
 */
static bool
dn_below(const struct dn *dn, const struct dn *top)
{
	size_t i;

	if (dn->n < top->n)
		return false;
	for (i = 0; i < top->n; i++) {
		if (!same_rdn(dn->rdn[dn->n - top->n + i], top->rdn[i]))
			return false;
	}
	return true;
}

/*
 * Write the name that stands so many levels above an entry; end it by
 * ldap_memfree.  Made from the parsed name, never from pieces of text.
 */
static enum og_status
dn_write(const struct dn *dn, size_t level, char **text, struct og_error *err)
{
	int code = ldap_dn2str(dn->rdn + level, text, LDAP_DN_FORMAT_LDAPV3);

	if (code != LDAP_SUCCESS)
		return fail_code(err, "a name above the user's", code);
	return OG_OK;
}

/* Entries. */

/* *below: does the entry lie where it was searched for? */
static enum og_status
entry_below(struct session *s, LDAPMessage *entry, const struct dn *top,
    bool *below, struct og_error *err)
{
	struct dn dn = { 0 };
	struct berval name;
	enum og_status status;

	if (ldap_get_dn_ber(s->ld, entry, NULL, &name) != LDAP_SUCCESS)
		return og_fail(err, OG_ESYSTEM, "a malformed entry");
	status = dn_read(&name, &dn, err);
	if (status == OG_OK)
		*below = dn_below(&dn, top);
	ldap_dnfree(dn.rdn);
	return status;
}

/*
 * The values of one attribute, to be ended by ber_memfree(values->at).
 *
 * ldap_get_values_len cannot tell an absent attribute from a malformed entry,
 * and an absent FALSE would let a TRUE above it win.
 */
static enum og_status
entry_values(struct session *s, LDAPMessage *entry, const char *attribute,
    struct values *values, struct og_error *err)
{
	struct berval dn, name;
	BerVarray at = NULL;
	BerElement *ber = NULL;
	int code;

	*values = (struct values){ 0 };
	code = ldap_get_dn_ber(s->ld, entry, &ber, &dn);
	while (code == LDAP_SUCCESS) {
		code = ldap_get_attribute_ber(s->ld, entry, ber, &name, &at);
		if (code != LDAP_SUCCESS || name.bv_val == NULL)
			break;
		if (og_text_same_octets(name.bv_val, name.bv_len, attribute,
			strlen(attribute))) {
			values->at = at;
			break;
		}
		ber_memfree(at);
		at = NULL;
	}
	ber_free(ber, 0);
	if (code != LDAP_SUCCESS)
		return og_fail(err, OG_ESYSTEM, "a malformed entry");
	while (values->at != NULL && values->at[values->n].bv_val != NULL)
		values->n++;
	return OG_OK;
}

/* outgateAllowedHost, and how many; too many are cut to one too many */
static enum og_status
entry_hosts(struct session *s, LDAPMessage *entry,
    struct og_value hosts[OG_ALLOWED_HOSTS_MAX + 1], size_t *n,
    struct og_error *err)
{
	struct values values;
	enum og_status status;
	size_t i;

	status = entry_values(s, entry, "outgateAllowedHost", &values, err);
	for (i = 0; i < values.n && i <= OG_ALLOWED_HOSTS_MAX; i++)
		og_value_set(
		    &hosts[i], values.at[i].bv_val, values.at[i].bv_len);
	*n = i;
	ber_memfree(values.at);
	return status;
}

/* An attribute that is to be single: several values make it unfit. */
static enum og_status
entry_text(struct session *s, LDAPMessage *entry, const char *attribute,
    struct og_value *text, struct og_error *err)
{
	struct values values;
	enum og_status status;
	size_t i;

	status = entry_values(s, entry, attribute, &values, err);
	for (i = 0; i < values.n; i++)
		og_value_set(text, values.at[i].bv_val, values.at[i].bv_len);
	ber_memfree(values.at);
	return status;
}

/* Connection. */

/*
 * No time limit for connecting: the caller kills this process in time, and
 * with one libldap 2.5 handshakes in a busy loop when the server is silent.
 */
static enum og_status
set_options(struct session *s, struct og_error *err)
{
	int version = LDAP_VERSION3;
	int deref = LDAP_DEREF_NEVER;
	ber_len_t message_max = MESSAGE_MAX;
	Sockbuf *buffer = NULL;
	LDAP *ld = s->ld;

	if (ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) != 0 ||
	    ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != 0 ||
	    ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON) != 0 ||
	    ldap_set_option(ld, LDAP_OPT_DEREF, &deref) != 0 ||
	    ldap_set_option(ld, LDAP_OPT_TIMEOUT, &s->left) != 0 ||
	    ldap_get_option(ld, LDAP_OPT_SOCKBUF, &buffer) != 0 ||
	    ber_sockbuf_ctrl(
		buffer, LBER_SB_OPT_SET_MAX_INCOMING, &message_max) != 1)
		return og_fail(err, OG_ESYSTEM, "libldap refuses an option");
	return OG_OK;
}

/*
 * Verify always, and by the name in the certificate.  NEWCTX comes last: it
 * makes a context of these options, and without one libldap uses a context of
 * the whole process, made of anybody's.
 */
static enum og_status
set_tls_options(struct session *s, struct og_error *err)
{
	const char *ca_file = s->task->directory->tls_ca_file;
	int demand = LDAP_OPT_X_TLS_DEMAND;
	int by_name = LDAP_OPT_X_TLS_TRY;
	int oldest = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
	int for_server = 0;
	LDAP *ld = s->ld;

	if (ca_file[0] == '\0')
		ca_file = CA_FILE_DEFAULT;
	if (ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != 0 ||
	    ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_SAN, &by_name) != 0 ||
	    ldap_set_option(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &oldest) != 0 ||
	    ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, ca_file) != 0)
		return og_fail(err, OG_ESYSTEM, "libldap refuses an option");
	if (ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &for_server) != 0)
		return og_fail(
		    err, OG_ESYSTEM, "TLS: the CA file cannot be used");
	return OG_OK;
}

/* What is not ldapi:// or ldaps:// gets StartTLS, however it is spelled. */
static enum og_status
start_tls(struct session *s, struct og_error *err)
{
	const char *uri = s->task->uri;
	int code = LDAP_SUCCESS;

	if (is_local(uri))
		return OG_OK;
	if (!begins(uri, "ldaps://"))
		code = ldap_start_tls_s(s->ld, NULL, NULL);
	if (code != LDAP_SUCCESS)
		return fail_code(err, "StartTLS", code);
	if (!ldap_tls_inplace(s->ld))
		return og_fail(err, OG_ESYSTEM, "the connection has no TLS");
	return OG_OK;
}

static enum og_status
connect_server(struct session *s, struct og_error *err)
{
	const char *uri = s->task->uri;
	enum og_status status;
	int code;

	/* libldap takes a list, and would go on to the next by itself */
	if (strpbrk(uri, " \t,") != NULL)
		return og_fail(err, OG_EDENIED, "not one URI");
	code = ldap_initialize(&s->ld, uri);
	if (code != LDAP_SUCCESS)
		return fail_code(err, "URI", code);
	status = set_options(s, err);
	if (status == OG_OK && !is_local(uri))
		status = set_tls_options(s, err);
	if (status != OG_OK)
		return status;
	code = ldap_connect(s->ld);
	if (code != LDAP_SUCCESS)
		return fail_code(err, "connect", code);
	return start_tls(s, err);
}

/*
 * An empty password is refused: a bind with one is anonymous (RFC 4513, 5.1.2)
 * and succeeds.
 */
static enum og_status
bind_simple(struct session *s, struct og_error *err)
{
	const struct og_directory *directory = s->task->directory;
	char password[PASSWORD_SIZE];
	struct berval credentials = { .bv_val = password };
	enum og_status status;
	size_t len;
	int code;

	status = og_file_read(directory->bind_password_file, OG_FILE_SECRET,
	    password, sizeof password, &len, err);
	if (status != OG_OK)
		return status;
	if (len > 0 && password[len - 1] == '\n')
		len--;
	credentials.bv_len = len;
	if (len == 0 || directory->bind_dn[0] == '\0') {
		explicit_bzero(password, sizeof password);
		return og_fail(
		    err, OG_EDENIED, "a bind needs a name and a password");
	}
	code = ldap_sasl_bind_s(s->ld, directory->bind_dn, LDAP_SASL_SIMPLE,
	    &credentials, NULL, NULL, NULL);
	explicit_bzero(password, sizeof password);
	if (code != LDAP_SUCCESS)
		return fail_code(err, "bind", code);
	return OG_OK;
}

/* The kernel tells the server who we are; we ask to be nobody else. */
static enum og_status
bind_external(struct session *s, struct og_error *err)
{
	char empty[] = "";
	/* present and empty: without it the server asks back */
	struct berval nobody_else = { .bv_len = 0, .bv_val = empty };
	int code;

	if (!is_local(s->task->uri))
		return og_fail(
		    err, OG_EDENIED, "without bind_dn only ldapi:// is used");
	code = ldap_sasl_bind_s(
	    s->ld, NULL, "EXTERNAL", &nobody_else, NULL, NULL, NULL);
	if (code != LDAP_SUCCESS)
		return fail_code(err, "bind", code);
	return OG_OK;
}

static enum og_status
bind_service(struct session *s, struct og_error *err)
{
	switch (s->task->directory->bind) {
	case OG_BIND_EXTERNAL:
		return bind_external(s, err);
	case OG_BIND_SIMPLE:
		return bind_simple(s, err);
	}
	return og_fail(err, OG_EDENIED, "no kind of bind");
}

/* Searches. */

/*
 * "(attribute=value)".  Every octet but letters, digits and a few that mean
 * nothing is escaped (RFC 4515, 3): no list of dangerous ones to keep.
 */
static enum og_status
filter_write(char out[FILTER_SIZE], const char *attribute, const char *value,
    struct og_error *err)
{
	struct og_text filter;

	og_text_start(&filter, out, FILTER_SIZE);
	og_text_putf(&filter, "(%s=", attribute);
	for (; *value != '\0'; value++) {
		if (og_text_is_alnum(*value) || strchr("@.-_", *value) != NULL)
			og_text_put_octets(&filter, value, 1);
		else
			og_text_putf(
			    &filter, "\\%02x", (unsigned)(unsigned char)*value);
	}
	og_text_put(&filter, ")");
	if (filter.truncated)
		return og_fail(err, OG_ELIMIT, "a value too long to search");
	return OG_OK;
}

static enum og_status
search_send(struct session *s, struct search *search, struct og_error *err)
{
	int code = ldap_search_ext(s->ld, search->base, search->scope,
	    search->filter, search->attributes, 0, NULL, NULL, &s->left,
	    search->limit, &search->id);

	if (code != LDAP_SUCCESS)
		return fail_code(err, search->what, code);
	return OG_OK;
}

/* *found: the entries, to be ended by ldap_msgfree, also after a failure */
static enum og_status
search_receive(struct session *s, const struct search *search,
    LDAPMessage **found, struct og_error *err)
{
	int code = LDAP_LOCAL_ERROR;
	int type;

	type = ldap_result(s->ld, search->id, LDAP_MSG_ALL, &s->left, found);
	if (type == 0)
		return fail_code(err, search->what, LDAP_TIMEOUT);
	if (type < 0) {
		(void)ldap_get_option(s->ld, LDAP_OPT_RESULT_CODE, &code);
		return fail_code(err, search->what, code);
	}
	if (ldap_parse_result(s->ld, *found, &code, NULL, NULL, NULL, NULL,
		0) != LDAP_SUCCESS)
		return fail_code(err, search->what, LDAP_DECODING_ERROR);
	if (code != LDAP_SUCCESS && code != search->tolerated)
		return fail_code(err, search->what, code);
	return OG_OK;
}

/* The user. */

static enum og_status
read_owner(struct session *s, LDAPMessage *entry, char owner[OG_OWNER_SIZE],
    struct og_error *err)
{
	const char *attribute = s->task->directory->owner_attribute;
	struct values values;
	enum og_status status;
	bool usable;

	status = entry_values(s, entry, attribute, &values, err);
	if (status != OG_OK)
		return status;
	usable = values.n == 1 &&
		 og_owner_set(owner, values.at[0].bv_val, values.at[0].bv_len);
	ber_memfree(values.at);
	if (!usable)
		return og_fail(err, OG_EINPUT,
		    "the user's entry has no usable owner attribute");
	return OG_OK;
}

/* One level of the permission. */
static enum og_status
read_level(struct session *s, LDAPMessage *entry, struct og_permission *chain,
    struct og_error *err)
{
	struct og_value hosts[OG_ALLOWED_HOSTS_MAX + 1] = { 0 };
	struct og_value allowed = { 0 };
	enum og_status status;
	size_t n = 0;

	status = entry_text(s, entry, "outgateAllowed", &allowed, err);
	if (status == OG_OK)
		status = entry_hosts(s, entry, hosts, &n, err);
	if (status != OG_OK)
		return status;
	og_permission_level(chain, &allowed);
	return og_permission_hosts(chain, hosts, n, err);
}

/* The one entry that has the login: what it says, and where it stands. */
static enum og_status
read_user_entry(struct session *s, LDAPMessage *entry,
    struct og_records *records, struct og_error *err)
{
	struct berval name;
	enum og_status status;

	if (ldap_get_dn_ber(s->ld, entry, NULL, &name) != LDAP_SUCCESS)
		return og_fail(err, OG_ESYSTEM, "a malformed entry");
	status = dn_read(&name, &s->user, err);
	if (status == OG_OK && !dn_below(&s->user, &s->base))
		status = og_fail(err, OG_EINPUT,
		    "the user's entry is outside the base, or the base is "
		    "spelled in another way");
	if (status == OG_OK)
		status = read_owner(s, entry, records->owner, err);
	if (status == OG_OK && s->task->question->address != NULL) {
		records->chain = (struct og_permission){ 0 };
		status = read_level(s, entry, &records->chain, err);
	}
	return status;
}

static enum og_status
read_user(struct session *s, struct og_records *records, struct og_error *err)
{
	const struct og_directory *directory = s->task->directory;
	char owner_attribute[OG_ATTRIBUTE_SIZE];
	char filter[FILTER_SIZE];
	char *attributes[] = { owner_attribute, "outgateAllowed",
		"outgateAllowedHost", NULL };
	struct search search = {
		.what = "search for the login",
		.base = directory->base,
		.scope = LDAP_SCOPE_SUBTREE,
		.filter = filter,
		.attributes = attributes,
		.limit = USERS_MAX,
	};
	LDAPMessage *found = NULL;
	enum og_status status;
	int n;

	memcpy(owner_attribute, directory->owner_attribute,
	    sizeof owner_attribute);
	status = filter_write(
	    filter, directory->login_attribute, s->task->question->login, err);
	if (status == OG_OK)
		status = search_send(s, &search, err);
	if (status == OG_OK)
		status = search_receive(s, &search, &found, err);
	n = ldap_count_entries(s->ld, found);
	if (status == OG_OK && n == 0)
		records->user = OG_ABSENT;
	else if (status == OG_OK && n != 1)
		status =
		    og_fail(err, OG_EINPUT, "several entries have the login");
	else if (status == OG_OK) {
		records->user = OG_FOUND;
		status = read_user_entry(
		    s, ldap_first_entry(s->ld, found), records, err);
	}
	ldap_msgfree(found);
	return status;
}

/* The gateways. */

/* "" when it does not fit or is not a single C string: nothing to open */
static enum og_status
read_password(struct session *s, LDAPMessage *entry,
    struct og_gateway_record *gateway, struct og_error *err)
{
	struct values values;
	enum og_status status;

	status = entry_values(s, entry, "outgatePassword", &values, err);
	gateway->password_present = values.n > 0;
	if (values.n == 1)
		(void)og_text_copy(gateway->password, sizeof gateway->password,
		    values.at[0].bv_val, values.at[0].bv_len);
	ber_memfree(values.at);
	return status;
}

/* Those that are too long are nobody's proof, and more are not looked at. */
static enum og_status
read_proofs(struct session *s, LDAPMessage *entry,
    struct og_gateway_record *gateway, struct og_error *err)
{
	struct values values;
	enum og_status status;
	size_t i;

	status = entry_values(s, entry, "outgateProof", &values, err);
	for (i = 0; i < values.n && gateway->n_proofs < OG_PROOFS_MAX; i++) {
		if (og_text_copy(gateway->proof[gateway->n_proofs],
			sizeof gateway->proof[0], values.at[i].bv_val,
			values.at[i].bv_len))
			gateway->n_proofs++;
	}
	ber_memfree(values.at);
	return status;
}

static enum og_status
read_gateway(struct session *s, LDAPMessage *entry,
    struct og_gateway_record *gateway, struct og_error *err)
{
	enum og_status status;

	status = entry_text(s, entry, "outgateHost", &gateway->host, err);
	if (status == OG_OK)
		status =
		    entry_text(s, entry, "outgatePort", &gateway->port, err);
	if (status == OG_OK)
		status = entry_text(s, entry, "outgateTLS", &gateway->tls, err);
	if (status == OG_OK)
		status =
		    entry_text(s, entry, "outgateLogin", &gateway->login, err);
	if (status == OG_OK)
		status = read_password(s, entry, gateway, err);
	if (status == OG_OK)
		status = read_proofs(s, entry, gateway, err);
	return status;
}

/* *is: does an entry serve the address?  Selected by the octets, once more. */
static enum og_status
serves(struct session *s, LDAPMessage *entry, bool *is, struct og_error *err)
{
	const char *address = s->task->question->address;
	struct og_value enabled = { 0 };
	struct values values;
	enum og_status status;
	bool listed = false;
	bool below = false;
	size_t i;

	status = entry_values(s, entry, "outgateAddress", &values, err);
	for (i = 0; i < values.n; i++)
		listed |= og_text_same_octets(values.at[i].bv_val,
		    values.at[i].bv_len, address, strlen(address));
	ber_memfree(values.at);
	if (status == OG_OK)
		status = entry_text(s, entry, "outgateEnabled", &enabled, err);
	if (status == OG_OK)
		status = entry_below(s, entry, &s->user, &below, err);
	/* the user's switch: whatever is neither absent nor TRUE is off */
	*is = listed && below &&
	      (enabled.state == OG_VALUE_ABSENT ||
		  strcmp(enabled.text, "TRUE") == 0);
	return status;
}

static enum og_status
take_gateways(struct session *s, LDAPMessage *found, struct og_records *records,
    struct og_error *err)
{
	LDAPMessage *entry = ldap_first_entry(s->ld, found);
	LDAPMessage *serving = NULL;
	enum og_status status = OG_OK;
	size_t n = 0;

	for (; status == OG_OK && entry != NULL;
	     entry = ldap_next_entry(s->ld, entry)) {
		bool is = false;

		status = serves(s, entry, &is, err);
		if (is) {
			serving = entry;
			n++;
		}
	}
	records->gateway = n == 0 ? OG_ABSENT : OG_FOUND;
	records->several_gateways = n > 1;
	records->entry = (struct og_gateway_record){ 0 };
	if (status == OG_OK && n == 1)
		status = read_gateway(s, serving, &records->entry, err);
	return status;
}

/* The addresses of one entry; *n_seen counts all values so far. */
static enum og_status
take_addresses(struct session *s, LDAPMessage *entry, size_t *n_seen,
    struct og_records *records, struct og_error *err)
{
	const struct og_from *from = s->task->question->from;
	struct values values;
	enum og_status status;
	size_t i;

	status = entry_values(s, entry, "outgateAddress", &values, err);
	*n_seen += values.n;
	for (i = 0; i < values.n && *n_seen <= MENTIONS_MAX; i++) {
		const struct berval *value = &values.at[i];
		char address[OG_ADDRESS_SIZE];

		if (!og_address_valid(value->bv_val, value->bv_len) ||
		    !og_text_copy(address, sizeof address, value->bv_val,
			value->bv_len))
			continue;
		records->n_addresses++;
		memcpy(records->address, address, sizeof address);
		if (og_from_mentions(from, address))
			records->mention = OG_FOUND;
	}
	ber_memfree(values.at);
	return status;
}

static enum og_status
take_mention(struct session *s, LDAPMessage *found, struct og_records *records,
    struct og_error *err)
{
	LDAPMessage *entry = ldap_first_entry(s->ld, found);
	enum og_status status = OG_OK;
	size_t n_seen = 0;

	records->mention = OG_ABSENT;
	records->n_addresses = 0;
	for (; status == OG_OK && entry != NULL;
	     entry = ldap_next_entry(s->ld, entry)) {
		bool below = false;

		status = entry_below(s, entry, &s->user, &below, err);
		if (status == OG_OK && below)
			status =
			    take_addresses(s, entry, &n_seen, records, err);
	}
	if (status == OG_OK && n_seen > MENTIONS_MAX)
		return og_fail(err, OG_ELIMIT,
		    "more than %d addresses of one user", MENTIONS_MAX);
	return status;
}

/* A level that is hidden from us is one without the attributes. */
static enum og_status
take_level(struct session *s, LDAPMessage *found, struct og_records *records,
    struct og_error *err)
{
	LDAPMessage *entry = ldap_first_entry(s->ld, found);

	if (entry == NULL)
		return OG_OK;
	return read_level(s, entry, &records->chain, err);
}

/* The second flight. */

/*
 * Send the search of one level: what lies below the user for the user's own,
 * whose policy is known already, and the policy for those above.
 */
static enum og_status
send_level(struct session *s, size_t level, struct search *search,
    struct og_error *err)
{
	const char *address = s->task->question->address;
	char filter[FILTER_SIZE] = "(objectClass=*)";
	enum og_status status = OG_OK;
	char *name = NULL;

	*search = (struct search){
		.what = "search for the permission",
		.scope = LDAP_SCOPE_BASE,
		.attributes = policy_attributes,
		.limit = 1,
		.tolerated = LDAP_NO_SUCH_OBJECT,
	};
	if (level == 0 && address != NULL) {
		*search = (struct search){
			.what = "search for the gateway",
			.scope = LDAP_SCOPE_SUBTREE,
			.attributes = gateway_attributes,
			.limit = GATEWAYS_MAX,
		};
		status = filter_write(filter, "outgateAddress", address, err);
	} else if (level == 0) {
		*search = (struct search){
			.what = "search for the user's addresses",
			.scope = LDAP_SCOPE_SUBTREE,
			.attributes = address_attributes,
			.limit = MENTIONS_MAX,
		};
		memcpy(
		    filter, "(outgateAddress=*)", sizeof "(outgateAddress=*)");
	}
	if (status == OG_OK)
		status = dn_write(&s->user, level, &name, err);
	search->base = name;
	search->filter = filter;
	if (status == OG_OK)
		status = search_send(s, search, err);
	ldap_memfree(name);
	return status;
}

static enum og_status
take_result(struct session *s, size_t level, const struct search *search,
    struct og_records *records, struct og_error *err)
{
	LDAPMessage *found = NULL;
	enum og_status status;

	status = search_receive(s, search, &found, err);
	if (status == OG_OK && level > 0)
		status = take_level(s, found, records, err);
	else if (status == OG_OK && s->task->question->address != NULL)
		status = take_gateways(s, found, records, err);
	else if (status == OG_OK)
		status = take_mention(s, found, records, err);
	ldap_msgfree(found);
	return status;
}

/* All is sent before the first result is awaited: one round trip. */
static enum og_status
read_levels(struct session *s, struct og_records *records, struct og_error *err)
{
	struct search search[LEVELS_MAX];
	enum og_status status = OG_OK;
	size_t n = 1;
	size_t i;

	if (s->task->question->address != NULL) {
		n = s->user.n - s->base.n + 1;
		records->permission = OG_FOUND;
	}
	if (n > LEVELS_MAX)
		return og_fail(err, OG_ELIMIT,
		    "more than %d levels from the user up to the base",
		    LEVELS_MAX);
	for (i = 0; status == OG_OK && i < n; i++)
		status = send_level(s, i, &search[i], err);
	for (i = 0; status == OG_OK && i < n; i++)
		status = take_result(s, i, &search[i], records, err);
	return status;
}

static enum og_status
read_base(struct session *s, struct og_error *err)
{
	char text[OG_DN_SIZE];
	struct berval name = { .bv_val = text };
	enum og_status status;

	memcpy(text, s->task->directory->base, sizeof text);
	name.bv_len = strlen(text);
	status = dn_read(&name, &s->base, err);
	if (status == OG_OK && s->base.n == 0)
		return og_fail(err, OG_EDENIED, "no base is set");
	if (status != OG_OK)
		og_error_prefix(err, "base");
	return status;
}

static struct session
session_for(const struct og_ldap_task *task)
{
	return (struct session){
		.task = task,
		.left = {
			.tv_sec = task->left_ms / 1000,
			.tv_usec = task->left_ms % 1000 * 1000,
		},
	};
}

enum og_status
og_ldap_connect(const struct og_ldap_task *task, struct ldap **ld,
    struct og_error *err)
{
	struct session s = session_for(task);
	enum og_status status = connect_server(&s, err);

	if (status == OG_OK)
		status = bind_service(&s, err);
	if (status == OG_OK)
		*ld = s.ld;
	else if (s.ld != NULL)
		(void)ldap_unbind_ext(s.ld, NULL, NULL);
	return status;
}

enum og_status
og_ldap_ask(const struct og_ldap_task *task, struct og_records *records,
    struct og_error *err)
{
	struct session s = session_for(task);
	enum og_status status;

	status = read_base(&s, err);
	if (status == OG_OK)
		status = connect_server(&s, err);
	if (status == OG_OK)
		status = bind_service(&s, err);
	if (status == OG_OK)
		status = read_user(&s, records, err);
	if (status == OG_OK && records->user == OG_FOUND)
		status = read_levels(&s, records, err);
	ldap_dnfree(s.user.rdn);
	ldap_dnfree(s.base.rdn);
	if (s.ld != NULL)
		(void)ldap_unbind_ext(s.ld, NULL, NULL);
	return status;
}

/* The survey. */

/* Gateways that are looked at; a server's own limit is often lower. */
#define SURVEY_MAX 10000
/* Nobody has it, but the server has to look. */
#define NOBODY "outgate-doctor"

/* What the schema must say; see ldap-schema/outgate.toml. */
static const struct {
	const char *name;
	bool single;	 /* a second value would be as good as the first */
	bool no_compare; /* or "delete this value" tells a right guess */
} schema_attributes[] = {
	{ "outgateAllowed", true, false },
	{ "outgateAllowedHost", false, false },
	{ "outgateAddress", false, false },
	{ "outgateHost", true, false },
	{ "outgatePort", true, false },
	{ "outgateTLS", true, false },
	{ "outgateLogin", true, false },
	{ "outgatePassword", true, true },
	{ "outgateProof", false, false },
	{ "outgateEnabled", true, false },
	{ "outgateStatus", true, false },
};
#define N_SCHEMA_ATTRIBUTES                                                    \
	(sizeof schema_attributes / sizeof schema_attributes[0])

static char no_attributes[] = LDAP_NO_ATTRS;

static int
ms_since(const struct timespec *start)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int)((now.tv_sec - start->tv_sec) * 1000 +
		     (now.tv_nsec - start->tv_nsec) / 1000000);
}

/* Search at once; *found as search_receive gives it. */
static enum og_status
search_now(struct session *s, struct search *search, LDAPMessage **found,
    struct og_error *err)
{
	enum og_status status = search_send(s, search, err);

	if (status == OG_OK)
		status = search_receive(s, search, found, err);
	return status;
}

/* How long does a search take that finds nothing but its base? */
static enum og_status
measure_once(struct session *s, int scope, const char *filter, int *ms,
    struct og_error *err)
{
	char *attributes[] = { no_attributes, NULL };
	struct search search = {
		.what = "search below the base",
		.base = s->task->directory->base,
		.scope = scope,
		.filter = filter,
		.attributes = attributes,
		.limit = 1,
	};
	LDAPMessage *found = NULL;
	struct timespec start;
	enum og_status status;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	status = search_now(s, &search, &found, err);
	*ms = ms_since(&start);
	ldap_msgfree(found);
	return status;
}

/* The best of several: the rest is what else the machines had to do. */
static enum og_status
measure(struct session *s, int scope, const char *filter, int *ms,
    struct og_error *err)
{
	enum og_status status;
	int best, i;

	status = measure_once(s, scope, filter, &best, err);
	for (i = 1; status == OG_OK && i < 3; i++) {
		status = measure_once(s, scope, filter, ms, err);
		if (status == OG_OK && *ms < best)
			best = *ms;
	}
	*ms = best;
	return status;
}

static enum og_status
survey_times(
    struct session *s, struct og_ldap_survey *survey, struct og_error *err)
{
	char filter[FILTER_SIZE];
	enum og_status status;

	status = measure(
	    s, LDAP_SCOPE_BASE, "(objectClass=*)", &survey->base_ms, err);
	if (status == OG_OK)
		status = filter_write(
		    filter, s->task->directory->login_attribute, NOBODY, err);
	if (status == OG_OK)
		status = measure(
		    s, LDAP_SCOPE_SUBTREE, filter, &survey->login_ms, err);
	if (status == OG_OK)
		status = measure(s, LDAP_SCOPE_SUBTREE,
		    "(outgateAddress=" NOBODY "@doctor.invalid)",
		    &survey->address_ms, err);
	return status;
}

/* A server may not know the question. */
static void
survey_identity(struct session *s, struct og_ldap_survey *survey)
{
	struct berval *who = NULL;

	if (ldap_whoami_s(s->ld, &who, NULL, NULL) != LDAP_SUCCESS)
		return;
	survey->who_known = who == NULL || who->bv_len == 0 ||
			    og_text_copy(survey->who, sizeof survey->who,
				who->bv_val, who->bv_len);
	ber_bvfree(who);
}

/* Schema. */

static bool
is_named(char *const names[], const char *name)
{
	size_t i;

	for (i = 0; names != NULL && names[i] != NULL; i++) {
		if (og_text_same(names[i], name))
			return true;
	}
	return false;
}

/* What is wrong with a definition, or NULL. */
static const char *
fault_of(const LDAPAttributeType *type, size_t i)
{
	if (schema_attributes[i].single && !type->at_single_value)
		return "may have several values";
	if (schema_attributes[i].no_compare && type->at_equality_oid != NULL)
		return "can be compared with a guess";
	return NULL;
}

/* Look for the attribute's definition; false when there is none. */
static bool
find_attribute(
    const struct values *values, size_t i, struct og_ldap_survey *survey)
{
	const char *name = schema_attributes[i].name;
	const char *fault, *end;
	bool found = false;
	size_t n;
	int code;

	for (n = 0; n < values->n && !found; n++) {
		LDAPAttributeType *type = ldap_str2attributetype(
		    values->at[n].bv_val, &code, &end, LDAP_SCHEMA_ALLOW_ALL);

		found = type != NULL && is_named(type->at_names, name);
		fault = found ? fault_of(type, i) : NULL;
		if (fault != NULL) {
			struct og_text text;

			og_text_start(&text, survey->schema_fault,
			    sizeof survey->schema_fault);
			og_text_putf(&text, "%s %s", name, fault);
		}
		ldap_attributetype_free(type);
	}
	return found;
}

static enum og_status
survey_types(struct session *s, LDAPMessage *entry,
    struct og_ldap_survey *survey, struct og_error *err)
{
	struct values values;
	struct og_text text;
	enum og_status status;
	size_t i;

	status = entry_values(s, entry, "attributeTypes", &values, err);
	survey->schema_known = values.n > 0;
	og_text_start(&text, survey->schema_fault, sizeof survey->schema_fault);
	for (i = 0; values.n > 0 && i < N_SCHEMA_ATTRIBUTES &&
		    survey->schema_fault[0] == '\0';
	     i++) {
		if (!find_attribute(&values, i, survey))
			og_text_putf(
			    &text, "%s is unknown", schema_attributes[i].name);
	}
	ber_memfree(values.at);
	return status;
}

/* The name of the entry that holds the schema; "" when it is not told. */
static enum og_status
read_schema_name(struct session *s, struct og_value *name, struct og_error *err)
{
	char attribute[] = "subschemaSubentry";
	char *attributes[] = { attribute, NULL };
	struct search search = {
		.what = "root of the directory",
		.base = "",
		.scope = LDAP_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attributes = attributes,
		.limit = 1,
	};
	LDAPMessage *found = NULL;
	LDAPMessage *entry;
	enum og_status status;

	status = search_now(s, &search, &found, err);
	entry = ldap_first_entry(s->ld, found);
	if (status == OG_OK && entry != NULL)
		status = entry_text(s, entry, attribute, name, err);
	ldap_msgfree(found);
	return status;
}

static enum og_status
read_schema(struct session *s, const char *name, struct og_ldap_survey *survey,
    struct og_error *err)
{
	char attribute[] = "attributeTypes";
	char *attributes[] = { attribute, NULL };
	struct search search = {
		.what = "schema",
		.base = name,
		.scope = LDAP_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attributes = attributes,
		.limit = 1,
	};
	LDAPMessage *found = NULL;
	LDAPMessage *entry;
	enum og_status status;

	status = search_now(s, &search, &found, err);
	entry = ldap_first_entry(s->ld, found);
	if (status == OG_OK && entry != NULL)
		status = survey_types(s, entry, survey, err);
	ldap_msgfree(found);
	return status;
}

/* A schema that is hidden from us is not known, which is no failure. */
static void
survey_schema(struct session *s, struct og_ldap_survey *survey)
{
	struct og_value name = { 0 };
	struct og_error err;

	if (read_schema_name(s, &name, &err) == OG_OK && name.text[0] != '\0')
		(void)(read_schema(s, name.text, survey, &err) == OG_OK);
}

/* Gateways. */

/* The login of a user's entry, if it is shown. */
static enum og_status
survey_login(struct session *s, LDAPMessage *entry,
    struct og_ldap_survey *survey, struct og_error *err)
{
	struct og_value login = { 0 };
	enum og_status status;

	status = entry_text(
	    s, entry, s->task->directory->login_attribute, &login, err);
	(void)og_text_copy(survey->login, sizeof survey->login, login.text,
	    strlen(login.text));
	return status;
}

static enum og_status
survey_gateway(struct session *s, LDAPMessage *entry,
    struct og_ldap_survey *survey, struct og_error *err)
{
	static const char sealed[] = OG_SEALED_PREFIX;
	struct values password;
	enum og_status status;

	status = entry_values(s, entry, "outgatePassword", &password, err);
	survey->n_gateways++;
	survey->n_passwords += password.n > 0;
	if (password.n > 0 &&
	    (password.at[0].bv_len < strlen(sealed) ||
		memcmp(password.at[0].bv_val, sealed, strlen(sealed)) != 0))
		survey->n_unsealed++;
	ber_memfree(password.at);
	return status;
}

/* The user's entry is the gateway's own or, for an entry below it, that. */
static enum og_status
survey_parent(struct session *s, LDAPMessage *entry,
    struct og_ldap_survey *survey, struct og_error *err)
{
	char login[OG_ATTRIBUTE_SIZE];
	char *attributes[] = { login, NULL };
	struct search search = {
		.what = "search for a gateway's user",
		.scope = LDAP_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attributes = attributes,
		.limit = 1,
		.tolerated = LDAP_NO_SUCH_OBJECT,
	};
	LDAPMessage *found = NULL;
	struct dn dn = { 0 };
	struct berval text;
	enum og_status status;
	char *name = NULL;

	memcpy(login, s->task->directory->login_attribute, sizeof login);
	if (ldap_get_dn_ber(s->ld, entry, NULL, &text) != LDAP_SUCCESS)
		return og_fail(err, OG_ESYSTEM, "a malformed entry");
	status = dn_read(&text, &dn, err);
	if (status == OG_OK)
		status = dn_write(&dn, dn.n > 0 ? 1 : 0, &name, err);
	search.base = name;
	if (status == OG_OK)
		status = search_now(s, &search, &found, err);
	entry = ldap_first_entry(s->ld, found);
	if (status == OG_OK && entry != NULL)
		status = survey_login(s, entry, survey, err);
	ldap_msgfree(found);
	ldap_memfree(name);
	ldap_dnfree(dn.rdn);
	return status;
}

/* Somebody who can be looked up as the module does it. */
static enum og_status
survey_sample(struct session *s, LDAPMessage *entry,
    struct og_ldap_survey *survey, struct og_error *err)
{
	struct values values;
	enum og_status status;

	status = entry_values(s, entry, "outgateAddress", &values, err);
	if (values.n > 0)
		(void)og_text_copy(survey->address, sizeof survey->address,
		    values.at[0].bv_val, values.at[0].bv_len);
	ber_memfree(values.at);
	if (status == OG_OK)
		status = survey_login(s, entry, survey, err);
	if (status == OG_OK && survey->login[0] == '\0')
		status = survey_parent(s, entry, survey, err);
	return status;
}

static enum og_status
take_survey(struct session *s, LDAPMessage *found,
    struct og_ldap_survey *survey, struct og_error *err)
{
	LDAPMessage *entry = ldap_first_entry(s->ld, found);
	enum og_status status = OG_OK;
	int code = LDAP_SUCCESS;

	if (entry != NULL)
		status = survey_sample(s, entry, survey, err);
	for (; status == OG_OK && entry != NULL;
	     entry = ldap_next_entry(s->ld, entry))
		status = survey_gateway(s, entry, survey, err);
	if (ldap_parse_result(s->ld, found, &code, NULL, NULL, NULL, NULL, 0) ==
	    LDAP_SUCCESS)
		survey->more = code != LDAP_SUCCESS;
	return status;
}

static enum og_status
survey_gateways(
    struct session *s, struct og_ldap_survey *survey, struct og_error *err)
{
	const struct og_directory *directory = s->task->directory;
	char login[OG_ATTRIBUTE_SIZE];
	char address[] = "outgateAddress", password[] = "outgatePassword";
	char *attributes[] = { address, password, login, NULL };
	struct search search = {
		.what = "search for gateways",
		.base = directory->base,
		.scope = LDAP_SCOPE_SUBTREE,
		.filter = "(outgateAddress=*)",
		.attributes = attributes,
		.limit = SURVEY_MAX,
		.tolerated = LDAP_SIZELIMIT_EXCEEDED,
	};
	LDAPMessage *found = NULL;
	enum og_status status;

	memcpy(login, directory->login_attribute, sizeof login);
	status = search_now(s, &search, &found, err);
	if (status == OG_OK)
		status = take_survey(s, found, survey, err);
	ldap_msgfree(found);
	return status;
}

/* What is somebody shown who has not logged in?  Refused is as good as none. */
static void
survey_anonymous(const struct session *known, struct og_ldap_survey *survey)
{
	struct session s = { .task = known->task, .left = known->left };
	char password[] = "outgatePassword";
	char *attributes[] = { password, NULL };
	struct search search = {
		.what = "search by nobody",
		.base = known->task->directory->base,
		.scope = LDAP_SCOPE_SUBTREE,
		.filter = "(|(outgatePassword=*)(objectClass=outgateAccount)"
			  "(objectClass=outgateEntry))",
		.attributes = attributes,
		.limit = SURVEY_MAX,
		.tolerated = LDAP_SIZELIMIT_EXCEEDED,
	};
	LDAPMessage *found = NULL;
	LDAPMessage *entry = NULL;
	struct values values;
	struct og_error err;

	if (connect_server(&s, &err) == OG_OK &&
	    search_now(&s, &search, &found, &err) == OG_OK)
		entry = ldap_first_entry(s.ld, found);
	for (; entry != NULL; entry = ldap_next_entry(s.ld, entry)) {
		if (entry_values(&s, entry, password, &values, &err) == OG_OK)
			survey->open_to_all |= values.n > 0;
		ber_memfree(values.at);
	}
	ldap_msgfree(found);
	if (s.ld != NULL)
		(void)ldap_unbind_ext(s.ld, NULL, NULL);
}

enum og_status
og_ldap_survey(const struct og_ldap_task *task, struct og_ldap_survey *survey,
    struct og_error *err)
{
	struct session s = session_for(task);
	enum og_status status;

	status = connect_server(&s, err);
	if (status == OG_OK)
		status = bind_service(&s, err);
	if (status == OG_OK) {
		survey_identity(&s, survey);
		survey_schema(&s, survey);
		status = survey_times(&s, survey, err);
	}
	if (status == OG_OK)
		status = survey_gateways(&s, survey, err);
	if (status == OG_OK)
		survey_anonymous(&s, survey);
	if (s.ld != NULL)
		(void)ldap_unbind_ext(s.ld, NULL, NULL);
	return status;
}

/* All passwords. */

/* The owner stands in the gateway's own entry, or in the one above it. */
static enum og_status
find_owner(struct session *s, struct dn *dn, char owner[OG_OWNER_SIZE],
    struct og_error *err)
{
	char attribute[OG_ATTRIBUTE_SIZE];
	char *attributes[] = { attribute, NULL };
	struct search search = {
		.what = "search for an owner",
		.scope = LDAP_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attributes = attributes,
		.tolerated = LDAP_NO_SUCH_OBJECT,
	};
	LDAPMessage *found = NULL;
	LDAPMessage *entry = NULL;
	char *base = NULL;
	enum og_status status;

	/* only a server that is none has an entry without a name */
	if (dn->n == 0) {
		owner[0] = '\0';
		return OG_OK;
	}
	memcpy(
	    attribute, s->task->directory->owner_attribute, sizeof attribute);
	status = dn_write(dn, 1, &base, err);
	if (status == OG_OK) {
		search.base = base;
		status = search_now(s, &search, &found, err);
	}
	if (status == OG_OK)
		entry = ldap_first_entry(s->ld, found);
	/* one that has none is somebody's mistake, and no reason to stop */
	if (entry != NULL && read_owner(s, entry, owner, err) != OG_OK)
		owner[0] = '\0';
	ldap_msgfree(found);
	ldap_memfree(base);
	return status;
}

static enum og_status
read_owner_of(struct session *s, LDAPMessage *entry, struct dn *dn,
    char owner[OG_OWNER_SIZE], struct og_error *err)
{
	struct values classes;
	enum og_status status;
	bool below = false;
	size_t i;

	status = entry_values(s, entry, "objectClass", &classes, err);
	if (status != OG_OK)
		return status;
	for (i = 0; i < classes.n; i++)
		below |= og_text_same_octets(classes.at[i].bv_val,
		    classes.at[i].bv_len, "outgateEntry",
		    strlen("outgateEntry"));
	ber_memfree(classes.at);
	if (below)
		return find_owner(s, dn, owner, err);
	if (read_owner(s, entry, owner, err) != OG_OK)
		owner[0] = '\0';
	return OG_OK;
}

static enum og_status
visit_entry(struct session *s, LDAPMessage *entry,
    const struct og_ldap_visitor *visitor, struct og_error *err)
{
	/* too large for the stack: a hundred proofs */
	static struct og_ldap_password password;
	struct og_value stamp = { 0 };
	struct dn dn = { 0 };
	struct berval name;
	char *text = NULL;
	enum og_status status;

	password = (struct og_ldap_password){ 0 };
	if (ldap_get_dn_ber(s->ld, entry, NULL, &name) != LDAP_SUCCESS)
		return og_fail(err, OG_ESYSTEM, "a malformed entry");
	status = dn_read(&name, &dn, err);
	if (status == OG_OK)
		status = dn_write(&dn, 0, &text, err);
	if (status == OG_OK)
		status = read_gateway(s, entry, &password.gateway, err);
	if (status == OG_OK)
		status = entry_text(s, entry, "entryCSN", &stamp, err);
	if (status == OG_OK)
		status = read_owner_of(s, entry, &dn, password.owner, err);
	if (status == OG_OK) {
		password.dn = text;
		memcpy(password.stamp, stamp.text, sizeof password.stamp);
		visitor->visit(visitor->context, &password);
	}
	ldap_memfree(text);
	ldap_dnfree(dn.rdn);
	return status;
}

/* One message at a time: a large directory has many. */
static enum og_status
visit_all(struct session *s, const struct search *search,
    const struct og_ldap_visitor *visitor, struct og_error *err)
{
	for (;;) {
		LDAPMessage *message = NULL;
		enum og_status status = OG_OK;
		int code = LDAP_LOCAL_ERROR;
		int type = ldap_result(
		    s->ld, search->id, LDAP_MSG_ONE, &s->left, &message);

		if (type <= 0)
			return fail_code(err, search->what,
			    type == 0 ? LDAP_TIMEOUT : LDAP_SERVER_DOWN);
		if (type == LDAP_RES_SEARCH_ENTRY)
			status = visit_entry(s, message, visitor, err);
		else if (type == LDAP_RES_SEARCH_RESULT)
			(void)ldap_parse_result(
			    s->ld, message, &code, NULL, NULL, NULL, NULL, 0);
		(void)ldap_msgfree(message);
		if (status != OG_OK)
			return status;
		if (type != LDAP_RES_SEARCH_RESULT)
			continue;
		if (code == LDAP_SUCCESS)
			return OG_OK;
		(void)fail_code(err, search->what, code);
		return code == LDAP_SIZELIMIT_EXCEEDED ||
			       code == LDAP_ADMINLIMIT_EXCEEDED
			   ? OG_ELIMIT
			   : OG_ESYSTEM;
	}
}

static enum og_status
visit_passwords(struct session *s, const struct og_ldap_visitor *visitor,
    struct og_error *err)
{
	const struct og_directory *directory = s->task->directory;
	char class[] = "objectClass", stamp[] = "entryCSN";
	char host[] = "outgateHost", port[] = "outgatePort";
	char tls[] = "outgateTLS", login[] = "outgateLogin";
	char password[] = "outgatePassword";
	char owner[OG_ATTRIBUTE_SIZE];
	char *attributes[] = { class, stamp, host, port, tls, login, password,
		owner, NULL };
	struct search search = {
		.what = "search for passwords",
		.base = directory->base,
		.scope = LDAP_SCOPE_SUBTREE,
		.filter = "(outgatePassword=*)",
		.attributes = attributes,
	};
	enum og_status status;

	memcpy(owner, directory->owner_attribute, sizeof owner);
	status = search_send(s, &search, err);
	if (status == OG_OK)
		status = visit_all(s, &search, visitor, err);
	return status;
}

enum og_status
og_ldap_passwords(const struct og_ldap_task *task,
    const struct og_ldap_visitor *visitor, struct og_error *err)
{
	struct session s = {
		.task = task,
		.left = { .tv_sec = task->left_ms / 1000 },
	};
	enum og_status status;

	status = connect_server(&s, err);
	if (status == OG_OK)
		status = bind_service(&s, err);
	if (status == OG_OK)
		status = visit_passwords(&s, visitor, err);
	if (s.ld != NULL)
		(void)ldap_unbind_ext(s.ld, NULL, NULL);
	return status;
}
