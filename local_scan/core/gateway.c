/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gateway.c - settings that have been checked and may be used.
 *
 * What is wrong is refused, never repaired: a user who reads "outgateHost"
 * mends it, a repaired one is dialled.
 */
#include "core/gateway.h"

#include <string.h>

#include "core/text.h"

static enum og_status
present(const struct og_value *value, bool needed, struct og_error *err)
{
	switch (value->state) {
	case OG_VALUE_TEXT:
		return OG_OK;
	case OG_VALUE_ABSENT:
		return needed ? og_fail(err, OG_EINPUT, "is missing") : OG_OK;
	case OG_VALUE_UNFIT:
		break;
	}
	return og_fail(err, OG_EINPUT,
	    "has several values, is too long or holds control characters");
}

static enum og_status
check_host(const struct og_value *value, char host[OG_HOST_SIZE],
    struct og_error *err)
{
	size_t len = strlen(value->text);
	enum og_status status = present(value, true, err);
	size_t i;

	if (status != OG_OK)
		return status;
	if (!og_host_valid(value->text, len))
		return og_fail(err, OG_EINPUT,
		    "is not a host name like smtp.partner.example");
	for (i = 0; i <= len; i++)
		host[i] = og_text_lower(value->text[i]);
	return OG_OK;
}

static enum og_status
check_tls(
    const struct og_value *value, enum og_tls *tls, struct og_error *err)
{
	enum og_status status = present(value, false, err);

	if (status != OG_OK)
		return status;
	if (value->state == OG_VALUE_ABSENT ||
	    og_text_same(value->text, og_tls_word(OG_TLS_IMPLICIT)))
		*tls = OG_TLS_IMPLICIT;
	else if (og_text_same(value->text, og_tls_word(OG_TLS_STARTTLS)))
		*tls = OG_TLS_STARTTLS;
	else
		return og_fail(
		    err, OG_EINPUT, "is neither implicit nor starttls");
	return OG_OK;
}

static enum og_status
check_port(const struct og_value *value, enum og_tls tls, uint16_t *port,
    struct og_error *err)
{
	enum og_status status = present(value, false, err);

	if (status != OG_OK)
		return status;
	if (value->state == OG_VALUE_ABSENT) {
		/* RFC 8314: submissions 465, submission with STARTTLS 587 */
		*port = tls == OG_TLS_IMPLICIT ? 465 : 587;
		return OG_OK;
	}
	if (og_host_port(value->text, port, err) != OG_OK)
		return og_fail(
		    err, OG_EINPUT, "is not a number from 1 to 65535");
	return OG_OK;
}

static enum og_status
check_login(const struct og_value *value, char login[OG_VALUE_SIZE],
    struct og_error *err)
{
	enum og_status status = present(value, true, err);

	if (status != OG_OK)
		return status;
	if (value->text[0] == '\0')
		return og_fail(err, OG_EINPUT, "is empty");
	memcpy(login, value->text, OG_VALUE_SIZE);
	return OG_OK;
}

enum og_status
og_gateway_check(const struct og_gateway_record *record,
    struct og_gateway *gateway, const char **attribute, struct og_error *err)
{
	struct og_gateway checked = { .port = 0 };
	enum og_status status;

	*attribute = "outgateHost";
	status = check_host(&record->host, checked.host, err);
	if (status == OG_OK) {
		*attribute = "outgateTLS";
		status = check_tls(&record->tls, &checked.tls, err);
	}
	if (status == OG_OK) {
		*attribute = "outgatePort";
		status = check_port(
		    &record->port, checked.tls, &checked.port, err);
	}
	if (status == OG_OK) {
		*attribute = "outgateLogin";
		status = check_login(&record->login, checked.login, err);
	}
	if (status == OG_OK)
		*gateway = checked;
	return status;
}

const char *
og_tls_word(enum og_tls tls)
{
	switch (tls) {
	case OG_TLS_IMPLICIT:
		return "implicit";
	case OG_TLS_STARTTLS:
		return "starttls";
	}
	return "";
}
