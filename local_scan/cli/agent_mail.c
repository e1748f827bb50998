/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_mail.c - the mail that carries a proof.
 *
 * It goes to an address that may be a stranger's, because its owner is what is
 * to be found out.  So it says who caused it and what it is for, and whoever
 * wants a proof that is not his must ask for it.
 *
 * By libcurl, for sendmail is set-uid and the agent may gain no privileges.
 */
#include "cli/agent_mail.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/text.h"

/* RFC 5322, 2.1.1 allows 998; what is replaced makes lines longer. */
#define LINE_MAX_OCTETS 500
#define TIMEOUT_MS 30000L

const char og_agent_mail_text[] =
    "Subject: Is @address@ yours?\n"
    "\n"
    "@user@ at @organisation@ wants to send mail as @address@\n"
    "by way of @host@. This message goes to that address to\n"
    "find out whether it belongs to @user@.\n"
    "\n"
    "If you are @user@: copy the line below, all of it, and paste it into the\n"
    "field for the proof (outgateProof) where you have set up this gateway.\n"
    "\n"
    "@proof@\n"
    "\n"
    "It is valid until @ends@, for you, this address and this server only.\n"
    "\n"
    "Do not forward this message, and give the line to nobody: with it\n"
    "@user@ can send mail as @address@.\n"
    "\n"
    "If you are not @user@, you need do nothing: without the line nothing\n"
    "happens. If such messages annoy you, write to @sender@.\n";

/* The words between two @, and what stands for them. */
static bool
put_name(struct og_text *out, const char *name, size_t len,
    const struct og_mail *mail)
{
	const struct {
		const char *name, *text;
	} row[] = {
		{ "organisation", mail->organisation },
		{ "sender", mail->sender },
		{ "address", mail->address },
		{ "host", mail->host },
		{ "proof", mail->proof },
		{ "ends", mail->ends },
	};
	size_t i;

	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		if (strlen(row[i].name) == len &&
		    memcmp(row[i].name, name, len) == 0) {
			og_text_put(out, row[i].text);
			return true;
		}
	}
	if (len == 4 && memcmp(name, "user", len) == 0)
		og_text_put_word(out, mail->user, strlen(mail->user));
	else if (len == 4 && memcmp(name, "port", len) == 0)
		og_text_putf(out, "%u", mail->port);
	else
		return false;
	return true;
}

/* One line; an @ that begins no known name is an @. */
static void
put_line(struct og_text *out, const char *line, size_t len,
    const struct og_mail *mail)
{
	size_t i;

	for (i = 0; i < len; i++) {
		const char *end = NULL;

		if (line[i] == '@')
			end = memchr(line + i + 1, '@', len - i - 1);
		if (end != NULL && put_name(out, line + i + 1,
				       (size_t)(end - line) - i - 1, mail))
			i = (size_t)(end - line);
		else
			og_text_put_octets(out, line + i, 1);
	}
	og_text_put(out, "\r\n");
}

static bool
is_ascii(const char *at, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if ((unsigned char)at[i] >= 0x80)
			return false;
	}
	return true;
}

static enum og_status
check_line(const char *line, size_t len, struct og_error *err)
{
	size_t i;

	if (len > LINE_MAX_OCTETS)
		return og_fail(err, OG_EINPUT, "a line of more than %d octets",
		    LINE_MAX_OCTETS);
	for (i = 0; i < len; i++) {
		if ((unsigned char)line[i] < ' ' && line[i] != '\t')
			return og_fail(
			    err, OG_EINPUT, "a control character in a line");
	}
	return OG_OK;
}

enum og_status
og_agent_mail_check(const char *text, struct og_error *err)
{
	static const char subject[] = "Subject: ";
	static const char proof[] = "@proof@";
	const char *end = strchr(text, '\n');
	enum og_status status = OG_OK;
	int n_proofs = 0;

	if (strncmp(text, subject, strlen(subject)) != 0 || end == NULL ||
	    end[1] != '\n' || !is_ascii(text, (size_t)(end - text)))
		return og_fail(err, OG_EINPUT,
		    "it does not begin with \"Subject: \" in ASCII and an "
		    "empty line");
	while (status == OG_OK && *text != '\0') {
		size_t len = strcspn(text, "\n");

		status = check_line(text, len, err);
		n_proofs +=
		    len == strlen(proof) && memcmp(text, proof, len) == 0;
		text += len + (text[len] == '\n');
	}
	if (status == OG_OK && n_proofs != 1)
		return og_fail(
		    err, OG_EINPUT, "it has not one line that is @proof@");
	return status;
}

/* RFC 5322, 3.3, in English whatever the locale. */
static void
put_date(struct og_text *out, int64_t now_s)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const time_t now = (time_t)now_s;
	struct tm t = { 0 };

	(void)gmtime_r(&now, &t);
	og_text_putf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n",
	    days + 3 * t.tm_wday, t.tm_mday, months + 3 * t.tm_mon,
	    t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static enum og_status
put_message_id(
    struct og_text *out, const struct og_mail *mail, struct og_error *err)
{
	uint64_t random[2];

	if (getrandom(random, sizeof random, 0) != sizeof random)
		return og_fail(err, OG_ESYSTEM, "no random numbers");
	og_text_putf(out, "Message-ID: <%016llx.%016llx@%s>\r\n",
	    (unsigned long long)random[0], (unsigned long long)random[1],
	    mail->organisation);
	return OG_OK;
}

enum og_status
og_agent_mail_write(const char *text, const struct og_mail *mail, char *out,
    struct og_error *err)
{
	bool ascii = is_ascii(text, strlen(text));
	struct og_text message;
	enum og_status status;

	og_text_start(&message, out, OG_MAIL_SIZE);
	og_text_putf(
	    &message, "From: %s\r\nTo: %s\r\n", mail->sender, mail->address);
	put_date(&message, mail->now_s);
	status = put_message_id(&message, mail, err);
	/* RFC 3834, 5: nobody's holiday note answers it */
	og_text_putf(&message,
	    "Auto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=%s\r\n"
	    "Content-Transfer-Encoding: %s\r\n",
	    ascii ? "us-ascii" : "utf-8", ascii ? "7bit" : "8bit");
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		put_line(&message, text, len, mail);
		text += len + (text[len] == '\n');
	}
	if (status == OG_OK && message.truncated)
		return og_fail(err, OG_ELIMIT, "the mail would be too long");
	return status;
}

/* Sending. */

struct upload {
	const char *at;
	size_t left;
};

static size_t
read_upload(char *to, size_t size, size_t n, void *context)
{
	struct upload *upload = context;
	size_t len = size * n < upload->left ? size * n : upload->left;

	memcpy(to, upload->at, len);
	upload->at += len;
	upload->left -= len;
	return len;
}

/* On this machine nobody listens in, and its certificate names another. */
static bool
is_here(const char *server)
{
	return (strncmp(server, "127.", 4) == 0 &&
		   server[strspn(server, "0123456789.")] == ':') ||
	       strncmp(server, "[::1]:", 6) == 0 ||
	       strncmp(server, "localhost:", 10) == 0;
}

static bool
prepare(CURL *curl, const char *server, const struct og_mail *mail,
    struct upload *upload)
{
	char from[OG_MAIL_TEXT_SIZE / 16];
	char url[OG_MAIL_TEXT_SIZE / 16];

	(void)snprintf(
	    url, sizeof url, "smtp://%s/%s", server, mail->organisation);
	(void)snprintf(from, sizeof from, "<%s>", mail->sender);
	return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp") ==
		   CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) ==
		   CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USE_SSL,
		   is_here(server) ? (long)CURLUSESSL_NONE
				   : (long)CURLUSESSL_ALL) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_upload) ==
		   CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_READDATA, upload) == CURLE_OK;
}

/*
 * A 354 and no more: the message is with the server or on its way.  Taking it
 * for sent costs the user a day at worst, and nobody gets two.
 */
static enum og_mail_result
judge(CURLcode code, long reply, struct og_error *err)
{
	if (code == CURLE_OK)
		return OG_MAIL_SENT;
	(void)og_fail(err, OG_ESYSTEM, "%s (last reply: %ld)",
	    curl_easy_strerror(code), reply);
	if (reply >= 500)
		return OG_MAIL_REFUSED;
	return reply == 354 ? OG_MAIL_SENT : OG_MAIL_LATER;
}

enum og_mail_result
og_agent_mail_send(const char *server, const struct og_mail *mail,
    const char *message, struct og_error *err)
{
	struct upload upload = { message, strlen(message) };
	enum og_mail_result result = OG_MAIL_LATER;
	struct curl_slist *recipients = curl_slist_append(NULL, mail->address);
	CURL *curl = curl_easy_init();
	long reply = 0;
	CURLcode code;

	err->text[0] = '\0';
	if (curl == NULL || recipients == NULL ||
	    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients) != CURLE_OK ||
	    !prepare(curl, server, mail, &upload)) {
		(void)og_fail(err, OG_ESYSTEM, "libcurl would not start");
	} else {
		code = curl_easy_perform(curl);
		(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
		result = judge(code, reply, err);
	}
	curl_slist_free_all(recipients);
	curl_easy_cleanup(curl);
	return result;
}
