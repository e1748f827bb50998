/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.c - outgate.conf: "key value" lines in the manner of nslcd.conf.
 *
 * The keys stand in one table.  What is not in it is an error with file and
 * line, never skipped: a misspelt restriction would otherwise restrict nobody.
 */
#include "io/config.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "io/file.h"

#define CONFIG_SIZE (64 * 1024 + 1)
#define TIMEOUT_MS_DEFAULT 2000
#define HEDGE_MS_DEFAULT 400
#define HOLD_S_DEFAULT 900
#define AGENT_POLL_S_DEFAULT 30

struct word {
	const char *at;
	size_t len;
};

/* Take one value; called once for each word of a list. */
typedef enum og_status value_reader(
    struct og_config *config, const struct word *value, struct og_error *err);

static enum og_status
copy(char *out, size_t size, const struct word *value, struct og_error *err)
{
	if (!og_text_copy(out, size, value->at, value->len))
		return og_fail(err, OG_EINPUT,
		    "a value of more than %zu octets", size - 1);
	return OG_OK;
}

static bool
is(const struct word *value, const char *word)
{
	return value->len == strlen(word) &&
	    memcmp(value->at, word, value->len) == 0;
}

static bool
begins(const struct word *value, const char *with)
{
	size_t len = strlen(with);

	return value->len >= len && memcmp(value->at, with, len) == 0;
}

static enum og_status
add_uri(char uri[OG_URIS_MAX][OG_URI_SIZE], size_t *n,
    const struct word *value, struct og_error *err)
{
	if (!begins(value, "ldapi://") && !begins(value, "ldaps://") &&
	    !begins(value, "ldap://"))
		return og_fail(err, OG_EINPUT,
		    "a uri begins with ldapi://, ldaps:// or ldap://");
	if (memchr(value->at, '?', value->len) != NULL)
		return og_fail(
		    err, OG_EINPUT, "a uri names a server only, no search");
	if (*n == OG_URIS_MAX)
		return og_fail(
		    err, OG_EINPUT, "more than %d uris", OG_URIS_MAX);
	return copy(uri[(*n)++], OG_URI_SIZE, value, err);
}

static enum og_status
read_uri(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	struct og_directory *dir = &config->directory;

	return add_uri(dir->uri, &dir->n_uris, value, err);
}

static enum og_status
read_user(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return copy(config->directory.user, sizeof config->directory.user,
	    value, err);
}

static enum og_status
read_base(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return copy(config->directory.base, sizeof config->directory.base,
	    value, err);
}

static enum og_status
read_bind_dn(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	config->directory.bind = OG_BIND_SIMPLE;
	return copy(config->directory.bind_dn,
	    sizeof config->directory.bind_dn, value, err);
}

static enum og_status
read_path(char out[OG_PATH_SIZE], const struct word *value,
    struct og_error *err)
{
	if (value->at[0] != '/')
		return og_fail(err, OG_EINPUT, "an absolute path is expected");
	return copy(out, OG_PATH_SIZE, value, err);
}

static enum og_status
read_bind_password_file(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_path(config->directory.bind_password_file, value, err);
}

static enum og_status
read_tls_ca_file(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_path(config->directory.tls_ca_file, value, err);
}

static enum og_status
read_seal_dir(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_path(config->seal_dir, value, err);
}

static enum og_status
read_proof_dir(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_path(config->proof_dir, value, err);
}

static enum og_status
read_state_dir(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_path(config->state_dir, value, err);
}

/* An attribute description: RFC 4512, 1.4 keystring; no options. */
static enum og_status
read_attribute(char out[OG_ATTRIBUTE_SIZE], const struct word *value,
    struct og_error *err)
{
	size_t i;

	for (i = 0; i < value->len; i++) {
		char c = value->at[i];

		if (!og_text_is_letter(c) &&
		    (i == 0 || (!og_text_is_digit(c) && c != '-')))
			return og_fail(err, OG_EINPUT,
			    "an attribute's name is letters, digits and "
			    "hyphens");
	}
	return copy(out, OG_ATTRIBUTE_SIZE, value, err);
}

static enum og_status
read_login_attribute(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_attribute(config->directory.login_attribute, value, err);
}

static enum og_status
read_owner_attribute(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_attribute(config->directory.owner_attribute, value, err);
}

static enum og_status
read_number(const struct word *value, int min, int max, int *out,
    struct og_error *err)
{
	int n = 0;
	size_t i;

	for (i = 0; i < value->len && n <= max; i++) {
		if (!og_text_is_digit(value->at[i]))
			break;
		n = n * 10 + (value->at[i] - '0');
	}
	if (i < value->len || n < min || n > max)
		return og_fail(err, OG_EINPUT,
		    "a number from %d to %d is expected", min, max);
	*out = n;
	return OG_OK;
}

static enum og_status
read_timeout_ms(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_number(
	    value, 100, 10000, &config->directory.timeout_ms, err);
}

static enum og_status
read_hedge_ms(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_number(value, 10, 10000, &config->directory.hedge_ms, err);
}

static enum og_status
read_hold_s(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_number(value, 0, 86400, &config->hold_s, err);
}

static enum og_status
read_org_domain(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	struct og_org *org = &config->org;

	if (!og_host_is_domain(value->at, value->len))
		return og_fail(err, OG_EINPUT,
		    "a domain like org.example is expected");
	if (org->n_domains == OG_DOMAINS_MAX)
		return og_fail(
		    err, OG_EINPUT, "more than %d domains", OG_DOMAINS_MAX);
	return copy(org->domain[org->n_domains++], sizeof org->domain[0],
	    value, err);
}

static enum og_status
read_port(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	struct og_org *org = &config->org;
	int port;

	if (read_number(value, 1, UINT16_MAX, &port, err) != OG_OK)
		return OG_EINPUT;
	if (org->n_ports == OG_PORTS_MAX)
		return og_fail(
		    err, OG_EINPUT, "more than %d ports", OG_PORTS_MAX);
	org->port[org->n_ports++] = (uint16_t)port;
	return OG_OK;
}

static enum og_status
read_gateway_ca_file(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_path(config->gateway_ca_file, value, err);
}

static enum og_status
read_own_network(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	char *text = config->own_network[config->n_own_networks];
	struct og_network network;

	if (config->n_own_networks == OG_OWN_NETWORKS_MAX)
		return og_fail(err, OG_EINPUT, "more than %d networks",
		    OG_OWN_NETWORKS_MAX);
	if (copy(text, sizeof config->own_network[0], value, err) != OG_OK)
		return OG_EINPUT;
	config->n_own_networks++;
	return og_network_read(text, &network, err);
}

static enum og_status
read_choice(const struct word *value, const char *no, const char *yes,
    bool *out, struct og_error *err)
{
	if (!is(value, no) && !is(value, yes))
		return og_fail(
		    err, OG_EINPUT, "'%s' or '%s' is expected", no, yes);
	*out = is(value, yes);
	return OG_OK;
}

static enum og_status
read_unlisted(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_choice(
	    value, "org", "refuse", &config->org.refuse_unlisted, err);
}

static enum og_status
read_forbidden(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_choice(
	    value, "org", "refuse", &config->org.refuse_forbidden, err);
}

static enum og_status
read_proof(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_choice(
	    value, "none", "required", &config->org.proof_required, err);
}

/* The agent. */

static enum og_status
read_agent_uri(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return add_uri(config->agent_uri, &config->n_agent_uris, value, err);
}

static enum og_status
read_agent_user(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return copy(
	    config->agent_user, sizeof config->agent_user, value, err);
}

static enum og_status
read_agent_bind_dn(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return copy(
	    config->agent_bind_dn, sizeof config->agent_bind_dn, value, err);
}

static enum og_status
read_agent_bind_password_file(struct og_config *config,
    const struct word *value, struct og_error *err)
{
	return read_path(config->agent_bind_password_file, value, err);
}

static enum og_status
read_agent_poll_s(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_number(value, 1, 3600, &config->agent_poll_s, err);
}

/* The last colon stands before the port: an IPv6 address has more of them. */
static enum og_status
read_agent_smtp(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	const char *colon;
	uint16_t port;
	size_t i;

	if (copy(config->agent_smtp, sizeof config->agent_smtp, value, err) !=
	    OG_OK)
		return OG_EINPUT;
	colon = strrchr(config->agent_smtp, ':');
	for (i = 0; colon != NULL && i < value->len; i++) {
		if (!og_text_is_alnum(value->at[i]) &&
		    memchr(".-:[]", value->at[i], 5) == NULL)
			colon = NULL;
	}
	if (colon == NULL || colon == config->agent_smtp ||
	    og_host_port(colon + 1, &port, err) != OG_OK)
		return og_fail(err, OG_EINPUT,
		    "a host and a port like 127.0.0.1:25 are expected");
	return OG_OK;
}

static enum og_status
read_agent_sender(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	if (!og_address_valid(value->at, value->len))
		return og_fail(err, OG_EINPUT,
		    "an address like postmaster@org.example is expected");
	return copy(
	    config->agent_sender, sizeof config->agent_sender, value, err);
}

static enum og_status
read_agent_text(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_path(config->agent_text, value, err);
}

static enum og_status
read_agent_state_dir(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	return read_path(config->agent_state_dir, value, err);
}

static enum og_status
read_proof_key(struct og_config *config, const struct word *value,
    struct og_error *err)
{
	size_t i;

	for (i = 0; i < value->len; i++) {
		char c = value->at[i];

		if (!og_text_is_digit(c) && c != '-' && (c < 'a' || c > 'z'))
			return og_fail(err, OG_EINPUT,
			    "the name of a key is of a-z, 0-9 and '-'");
	}
	return copy(config->proof_key, sizeof config->proof_key, value, err);
}

enum form {
	ONE,  /* the rest of the line, blanks within included */
	LIST, /* words; the key may come again and adds to the list */
};

static const struct key {
	const char *name;
	enum form form;
	bool needed;
	value_reader *read;
} keys[] = {
	{ "uri", LIST, true, read_uri },
	{ "user", ONE, false, read_user },
	{ "base", ONE, true, read_base },
	{ "bind_dn", ONE, false, read_bind_dn },
	{ "bind_password_file", ONE, false, read_bind_password_file },
	{ "tls_ca_file", ONE, false, read_tls_ca_file },
	{ "login_attribute", ONE, false, read_login_attribute },
	{ "owner_attribute", ONE, false, read_owner_attribute },
	{ "timeout_ms", ONE, false, read_timeout_ms },
	{ "hedge_ms", ONE, false, read_hedge_ms },
	{ "org_domain", LIST, true, read_org_domain },
	{ "port", LIST, false, read_port },
	{ "unlisted", ONE, false, read_unlisted },
	{ "forbidden", ONE, false, read_forbidden },
	{ "proof", ONE, false, read_proof },
	{ "seal_dir", ONE, false, read_seal_dir },
	{ "proof_dir", ONE, false, read_proof_dir },
	{ "state_dir", ONE, false, read_state_dir },
	{ "hold_s", ONE, false, read_hold_s },
	{ "gateway_ca_file", ONE, false, read_gateway_ca_file },
	{ "own_network", LIST, false, read_own_network },
	{ "agent_uri", LIST, false, read_agent_uri },
	{ "agent_user", ONE, false, read_agent_user },
	{ "agent_bind_dn", ONE, false, read_agent_bind_dn },
	{ "agent_bind_password_file", ONE, false,
	    read_agent_bind_password_file },
	{ "agent_poll_s", ONE, false, read_agent_poll_s },
	{ "agent_smtp", ONE, false, read_agent_smtp },
	{ "agent_sender", ONE, false, read_agent_sender },
	{ "agent_text", ONE, false, read_agent_text },
	{ "agent_state_dir", ONE, false, read_agent_state_dir },
	{ "proof_key", ONE, false, read_proof_key },
};
#define N_KEYS (sizeof keys / sizeof keys[0])

/* Cut the first blank-delimited word off the front of rest. */
static struct word
cut_word(struct word *rest)
{
	struct word word;

	while (rest->len > 0 && (*rest->at == ' ' || *rest->at == '\t')) {
		rest->at++;
		rest->len--;
	}
	word.at = rest->at;
	while (rest->len > 0 && *rest->at != ' ' && *rest->at != '\t') {
		rest->at++;
		rest->len--;
	}
	word.len = (size_t)(rest->at - word.at);
	return word;
}

static struct word
trim(struct word text)
{
	while (text.len > 0 && (*text.at == ' ' || *text.at == '\t')) {
		text.at++;
		text.len--;
	}
	while (text.len > 0 && (text.at[text.len - 1] == ' ' ||
				   text.at[text.len - 1] == '\t'))
		text.len--;
	return text;
}

static enum og_status
read_values(struct og_config *config, const struct key *key,
    struct word rest, struct og_error *err)
{
	struct word value = trim(rest);

	if (value.len == 0)
		return og_fail(err, OG_EINPUT, "a value is missing");
	if (key->form == ONE)
		return key->read(config, &value, err);
	for (value = cut_word(&rest); value.len > 0; value = cut_word(&rest)) {
		enum og_status status = key->read(config, &value, err);

		if (status != OG_OK)
			return status;
	}
	return OG_OK;
}

static enum og_status
read_line(struct og_config *config, struct word line, bool seen[N_KEYS],
    struct og_error *err)
{
	struct word name;
	enum og_status status;
	size_t i;

	for (i = 0; i < line.len; i++) {
		if ((unsigned char)line.at[i] < ' ' && line.at[i] != '\t')
			return og_fail(err, OG_EINPUT,
			    "a control character in the line");
	}
	line = trim(line);
	if (line.len == 0 || line.at[0] == '#')
		return OG_OK;
	name = cut_word(&line);
	for (i = 0; i < N_KEYS && !is(&name, keys[i].name); i++)
		;
	if (i == N_KEYS)
		return og_fail(err, OG_EINPUT, "unknown key '%.*s'",
		    name.len > 40 ? 40 : (int)name.len, name.at);
	if (seen[i] && keys[i].form == ONE)
		return og_fail(
		    err, OG_EINPUT, "'%s' is given twice", keys[i].name);
	seen[i] = true;
	status = read_values(config, &keys[i], line, err);
	if (status != OG_OK)
		og_error_prefix(err, "%s", keys[i].name);
	return status;
}

/* What the lines say together. */
static enum og_status
check_whole(const struct og_config *config, const bool seen[N_KEYS],
    struct og_error *err)
{
	const struct og_directory *dir = &config->directory;
	size_t i;

	for (i = 0; i < N_KEYS; i++) {
		if (keys[i].needed && !seen[i])
			return og_fail(
			    err, OG_EINPUT, "'%s' is missing", keys[i].name);
	}
	if ((dir->bind_dn[0] == '\0') != (dir->bind_password_file[0] == '\0'))
		return og_fail(err, OG_EINPUT,
		    "bind_dn and bind_password_file belong together");
	if ((config->agent_bind_dn[0] == '\0') !=
	    (config->agent_bind_password_file[0] == '\0'))
		return og_fail(err, OG_EINPUT,
		    "agent_bind_dn and agent_bind_password_file belong "
		    "together");
	for (i = 0; i < dir->n_uris && dir->bind == OG_BIND_EXTERNAL; i++) {
		if (strncmp(dir->uri[i], "ldapi://", 8) != 0)
			return og_fail(err, OG_EINPUT,
			    "%s needs bind_dn and bind_password_file",
			    dir->uri[i]);
	}
	return OG_OK;
}

static void
set_defaults(struct og_config *config)
{
	*config = (struct og_config){
		.org.proof_required = true,
		.directory = {
			.user = "Debian-exim",
			.bind = OG_BIND_EXTERNAL,
			.login_attribute = "uid",
			.owner_attribute = "entryUUID",
			.timeout_ms = TIMEOUT_MS_DEFAULT,
			.hedge_ms = HEDGE_MS_DEFAULT,
		},
		.seal_dir = "/etc/outgate/seal",
		.proof_dir = "/etc/outgate/proof",
		.state_dir = "/var/spool/exim4/outgate",
		.hold_s = HOLD_S_DEFAULT,
		.agent_user = "outgate",
		.agent_poll_s = AGENT_POLL_S_DEFAULT,
		.agent_smtp = "127.0.0.1:25",
		.agent_state_dir = "/var/lib/outgate",
	};
}

static enum og_status
parse(const char *path, const char *content, size_t len,
    struct og_config *config, struct og_error *err)
{
	bool seen[N_KEYS] = { false };
	const char *at = content;
	const char *end = content + len;
	enum og_status status;
	unsigned line_number = 0;

	set_defaults(config);
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		struct word line = { at, 0 };

		line_number++;
		line.len = (size_t)((newline != NULL ? newline : end) - at);
		status = read_line(config, line, seen, err);
		if (status != OG_OK) {
			og_error_prefix(err, "%s:%u", path, line_number);
			return status;
		}
		at += line.len + 1;
	}
	if (config->org.n_ports == 0) {
		config->org.port[config->org.n_ports++] = 465;
		config->org.port[config->org.n_ports++] = 587;
	}
	status = check_whole(config, seen, err);
	if (status != OG_OK)
		og_error_prefix(err, "%s:%u", path, line_number);
	return status;
}

enum og_status
og_config_load(
    const char *path, struct og_config *config, struct og_error *err)
{
	struct og_config fresh;
	enum og_status status;
	char *content;
	size_t len;

	content = malloc(CONFIG_SIZE);
	if (content == NULL)
		return og_fail(err, OG_ESYSTEM, "%s: out of memory", path);
	status = og_file_read(
	    path, OG_FILE_PUBLIC, content, CONFIG_SIZE, &len, err);
	if (status == OG_OK)
		status = parse(path, content, len, &fresh, err);
	free(content);
	if (status == OG_OK)
		*config = fresh;
	return status;
}
