/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_directory.c - does every server answer in time, and show enough?
 *
 * Each server is asked by itself: Exim takes the first answer, whichever
 * server it comes from, so one that knows less makes mail take another way.
 */
#include "cli/doctor.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "io/ldap.h"

#define AREA "directory"
/* All of the survey; nothing waits for it. */
#define SURVEY_MS 20000
/* What a search may take beyond the trip to the server and back. */
#define SLOW_MS 10

/* One server. */
struct server {
	struct og_doctor *doctor;
	struct og_directory directory; /* with this server alone */
	const char *uri;
};

static int
ms_since(const struct timespec *start)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int)((now.tv_sec - start->tv_sec) * 1000 +
		     (now.tv_nsec - start->tv_nsec) / 1000000);
}

/* The question of one message, as the module asks it. */
static bool
examine_answer(const struct server *server)
{
	static struct og_records records;
	const struct og_question question = {
		.login = "outgate-doctor",
		.address = "outgate-doctor@doctor.invalid",
	};
	struct timespec start;
	struct og_error why;
	int ms;

	records = (struct og_records){ 0 };
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	og_directory_read(&server->directory, &question, &records, &why);
	ms = ms_since(&start);
	if (records.user == OG_UNAVAILABLE) {
		og_doctor_say(server->doctor, OG_SICK, AREA,
		    "no answer within timeout_ms (%d): %s",
		    server->directory.timeout_ms, why.text);
		return false;
	}
	og_doctor_say(server->doctor, OG_HEALTHY, AREA,
	    "%s answers in %d ms (timeout_ms %d)", server->uri, ms,
	    server->directory.timeout_ms);
	return true;
}

struct result {
	enum og_status status;
	struct og_error err;
	struct og_ldap_survey survey;
};

static void
run_survey(const void *in, void *out)
{
	const struct server *server = in;
	const struct og_ldap_task task = {
		.directory = &server->directory,
		.uri = server->uri,
		.left_ms = SURVEY_MS,
	};
	struct result *result = out;

	result->status = og_ldap_survey(&task, &result->survey, &result->err);
}

/* Over ldapi, a process that the server has no account for is a number. */
static void
examine_identity(
    const struct server *server, const struct og_ldap_survey *survey)
{
	if (!survey->who_known)
		return;
	if (survey->who[0] == '\0')
		og_doctor_say(server->doctor, OG_SICK, AREA,
		    "%s takes user %s for nobody", server->uri,
		    server->directory.user);
	else if (strstr(survey->who, "cn=peercred,") != NULL)
		og_doctor_say(server->doctor, OG_SICK, AREA,
		    "%s has no account for user %s, who is %s there "
		    "(openldap-authz.ldif)",
		    server->uri, server->directory.user, survey->who);
	else
		og_doctor_say(server->doctor, OG_HEALTHY, AREA,
		    "%s knows user %s as %s", server->uri,
		    server->directory.user, survey->who);
}

static void
examine_schema(const struct server *server, const struct og_ldap_survey *survey)
{
	if (!survey->schema_known)
		og_doctor_say(server->doctor, OG_DOUBTFUL, AREA,
		    "%s does not show its schema", server->uri);
	else if (survey->schema_fault[0] != '\0')
		og_doctor_say(server->doctor, OG_SICK, AREA,
		    "%s: schema: %s: load ldap-schema/ of this version",
		    server->uri, survey->schema_fault);
	else
		og_doctor_say(server->doctor, OG_HEALTHY, AREA,
		    "%s has outgate's schema", server->uri);
}

static void
examine_speed(const struct server *server, const struct og_ldap_survey *survey)
{
	if (survey->login_ms > survey->base_ms + SLOW_MS)
		og_doctor_say(server->doctor, OG_DOUBTFUL, AREA,
		    "%s: finding a login takes %d ms: %s lacks an index for "
		    "equality",
		    server->uri, survey->login_ms,
		    server->directory.login_attribute);
	if (survey->address_ms > survey->base_ms + SLOW_MS)
		og_doctor_say(server->doctor, OG_DOUBTFUL, AREA,
		    "%s: finding an address takes %d ms: outgateAddress lacks "
		    "an index for equality (openldap-index.ldif)",
		    server->uri, survey->address_ms);
}

/*
 * Somebody with a gateway must be found as the module looks for him: whom it
 * does not find, it takes for somebody without gateways.
 */
static void
examine_sample(const struct server *server, const struct og_ldap_survey *survey)
{
	static struct og_records records;
	const struct og_question question = {
		.login = survey->login,
		.address = survey->address,
	};
	struct og_error why = { "" };

	records = (struct og_records){ 0 };
	if (survey->login[0] != '\0')
		og_directory_read(
		    &server->directory, &question, &records, &why);
	if (records.user == OG_FOUND)
		og_doctor_say(server->doctor, OG_HEALTHY, AREA,
		    "%s: a user who has a gateway is found by the login",
		    server->uri);
	else if (records.user == OG_UNAVAILABLE)
		og_doctor_say(server->doctor, OG_SICK, AREA,
		    "a user who has a gateway cannot be looked up: %s",
		    why.text);
	else
		og_doctor_say(server->doctor, OG_SICK, AREA,
		    "%s: a user who has a gateway is not found by the login: "
		    "user %s must be shown %s (openldap-access.ldif)",
		    server->uri, server->directory.user,
		    server->directory.login_attribute);
	explicit_bzero(&records, sizeof records);
}

static void
examine_gateways(
    const struct server *server, const struct og_ldap_survey *survey)
{
	struct og_doctor *doctor = server->doctor;
	const char *user = server->directory.user;

	if (survey->n_gateways == 0) {
		og_doctor_say(doctor, OG_DOUBTFUL, AREA,
		    "%s shows no gateway: there is none, or user %s may not "
		    "see it (openldap-access.ldif)",
		    server->uri, user);
		return;
	}
	if (survey->n_passwords == 0)
		og_doctor_say(doctor, OG_SICK, AREA,
		    "%s: user %s sees no outgatePassword of any gateway "
		    "(openldap-access.ldif), or nobody has entered one",
		    server->uri, user);
	else
		og_doctor_say(doctor, OG_HEALTHY, AREA,
		    "%s: %s%zu gateways, %zu with a password", server->uri,
		    survey->more ? "more than " : "", survey->n_gateways,
		    survey->n_passwords);
	if (survey->n_unsealed > 0)
		og_doctor_say(doctor, OG_DOUBTFUL, AREA,
		    "%s: %zu gateways have a password that is not sealed, and "
		    "so none (outgate seal)",
		    server->uri, survey->n_unsealed);
	examine_sample(server, survey);
}

static void
examine_server(struct og_doctor *doctor, size_t i)
{
	static struct server server;
	static struct result result;
	const struct og_errand errand = { run_survey, &server, &result,
		sizeof result, SURVEY_MS };
	struct og_error err;

	server = (struct server){ .doctor = doctor,
		.directory = doctor->config.directory };
	memcpy(server.directory.uri[0], doctor->config.directory.uri[i],
	    sizeof server.directory.uri[0]);
	server.directory.n_uris = 1;
	server.uri = server.directory.uri[0];
	result = (struct result){ 0 };
	if (!examine_answer(&server))
		return;
	if (og_doctor_as_user(server.directory.user, &errand, &err) != OG_OK)
		result.err = err;
	else if (result.status == OG_OK) {
		examine_identity(&server, &result.survey);
		examine_schema(&server, &result.survey);
		examine_speed(&server, &result.survey);
		examine_gateways(&server, &result.survey);
		if (result.survey.open_to_all)
			og_doctor_say(doctor, OG_DOUBTFUL, AREA,
			    "%s shows sealed passwords to everybody "
			    "(openldap-access.ldif)",
			    server.uri);
		return;
	}
	og_doctor_say(doctor, OG_SICK, AREA, "%s cannot be examined: %s",
	    server.uri, result.err.text);
}

void
og_doctor_directory(struct og_doctor *doctor)
{
	size_t i;

	for (i = 0; i < doctor->config.directory.n_uris; i++)
		examine_server(doctor, i);
}
