/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_seal.c - a sealed password opens for its own use, and for no other.
 *
 * Keys are made for each run.  What the openssl command makes is held against
 * what our own code makes, both ways.
 */
#include "rows.h"

#include <stdbool.h>
#include <string.h>

#include "core/base64.h"
#include "core/json.h"
#include "core/sealed.h"
#include "io/seal.h"
#include "scratch.h"

#define OWNER "8d9bd5ba-0000-4000-8000-3d64a6d63d94"
#define PASSWORD "correct horse battery"
#define CIPHER "-binary -aes-256-gcm -outform DER -in plain.json -out t.der "
#define SHA256_KDF " -keyopt ecdh_kdf_md:sha256 "

static char scratch[SCRATCH_SIZE];
static char one[SCRATCH_PATH_SIZE];   /* the pair a */
static char two[SCRATCH_PATH_SIZE];   /* the pairs a and b */
static char only_b[SCRATCH_PATH_SIZE]; /* the pair b */
static char other[SCRATCH_PATH_SIZE]; /* the pair c */
static char sealed[OG_SEALED_SIZE];   /* PASSWORD for one */

static const struct og_gateway gateway = {
	.host = "smtp.partner.example",
	.port = 465,
	.tls = OG_TLS_IMPLICIT,
	.login = "jo.doe",
};

static int
group_setup(void **state)
{
	struct og_secret secret = { 0 };
	struct og_error err;

	(void)state;
	if (scratch_make(scratch) != 0)
		return -1;
	(void)snprintf(one, sizeof one, "%s/one", scratch);
	(void)snprintf(two, sizeof two, "%s/two", scratch);
	(void)snprintf(only_b, sizeof only_b, "%s/only-b", scratch);
	(void)snprintf(other, sizeof other, "%s/other", scratch);
	if (scratch_run(scratch, "mkdir -m 750 one two only-b other") != 0 ||
	    og_seal_keygen(one, "a", -1, &err) != OG_OK ||
	    og_seal_keygen(only_b, "b", -1, &err) != OG_OK ||
	    og_seal_keygen(other, "c", -1, &err) != OG_OK ||
	    scratch_run(scratch, "cp -p one/* only-b/* two/") != 0 ||
	    og_secret_set(&secret, PASSWORD, strlen(PASSWORD), &err) != OG_OK)
		return -1;
	return og_seal_close(one, OWNER, &gateway, &secret, sealed, &err) ==
		       OG_OK
		   ? 0
		   : -1;
}

static int
group_teardown(void **state)
{
	(void)state;
	return scratch_remove(scratch);
}

/* Seal a text for certificates, owner and gateway that are right. */
static void
close_text(const char *dir, const char *text, char out[OG_SEALED_SIZE])
{
	struct og_secret secret;
	struct og_error err;

	assert_int_equal(
	    og_secret_set(&secret, text, strlen(text), &err), OG_OK);
	assert_int_equal(
	    og_seal_close(dir, OWNER, &gateway, &secret, out, &err), OG_OK);
}

/* Open; whatever comes of it, nothing may leak. */
static enum og_status
open_value(const char *dir, const char *value, struct og_secret *secret,
    struct og_error *err)
{
	static const struct og_secret none;
	enum og_status status;

	memset(secret, 0x55, sizeof *secret);
	*err = (struct og_error){ "" };
	status = og_seal_open(dir, OWNER, &gateway, value, secret, err);
	if (status != OG_OK) {
		assert_memory_equal(secret, &none, sizeof none);
		assert_true(err->text[0] != '\0');
		assert_null(strstr(err->text, PASSWORD));
	}
	return status;
}

static void
assert_opens(const char *dir, const char *value, const char *text)
{
	struct og_secret secret;
	struct og_error err;

	assert_int_equal(open_value(dir, value, &secret, &err), OG_OK);
	assert_int_equal(secret.len, strlen(text));
	assert_string_equal(secret.text, text);
}

/* ---- what is inside counts ---- */

struct use {
	const char *name;
	const char *owner;
	const char *host;
	uint16_t port;
	enum og_tls tls;
	const char *login;
	enum og_status status;
	const char *says; /* or NULL */
};

#define HOST "smtp.partner.example"
#define NOT_LOGGED_IN "8d9bd5ba-0000-4000-8000-3d64a6d63d95"

/* clang-format off */
static const struct use uses[] = {
	{ "its own use opens it", OWNER, HOST, 465, OG_TLS_IMPLICIT, "jo.doe", OG_OK, NULL },
	{ "another owner is denied", NOT_LOGGED_IN, HOST, 465, OG_TLS_IMPLICIT, "jo.doe", OG_EDENIED, "sealed for another owner" },
	{ "the beginning of an owner is denied", "8d9bd5ba", HOST, 465, OG_TLS_IMPLICIT, "jo.doe", OG_EDENIED, "sealed for another owner" },
	{ "another host is denied", OWNER, "smtp.evil.example", 465, OG_TLS_IMPLICIT, "jo.doe", OG_EDENIED, "sealed for another host" },
	{ "a longer host is denied", OWNER, HOST "s", 465, OG_TLS_IMPLICIT, "jo.doe", OG_EDENIED, "sealed for another host" },
	{ "another port is denied", OWNER, HOST, 587, OG_TLS_IMPLICIT, "jo.doe", OG_EDENIED, "sealed for another port" },
	{ "another TLS mode is denied", OWNER, HOST, 465, OG_TLS_STARTTLS, "jo.doe", OG_EDENIED, "sealed for another TLS mode" },
	{ "another login is denied", OWNER, HOST, 465, OG_TLS_IMPLICIT, "jo.roe", OG_EDENIED, "sealed for another login" },
	{ "a login of the other case is denied", OWNER, HOST, 465, OG_TLS_IMPLICIT, "Jo.Doe", OG_EDENIED, "sealed for another login" },
	{ "a part moved from the host to the login is denied", OWNER, "smtp.partner.exampl", 465, OG_TLS_IMPLICIT, "ejo.doe", OG_EDENIED, "sealed for another host" },
	{ "no owner is no owner", "", HOST, 465, OG_TLS_IMPLICIT, "jo.doe", OG_EINPUT, NULL },
	{ "an owner with a newline is none", OWNER "\n", HOST, 465, OG_TLS_IMPLICIT, "jo.doe", OG_EINPUT, NULL },
	{ "an owner of 65 octets is none", OWNER "12345678901234567890123456789", HOST, 465, OG_TLS_IMPLICIT, "jo.doe", OG_EINPUT, NULL },
	{ "an owner that is not UTF-8 is none", "jo\xff", HOST, 465, OG_TLS_IMPLICIT, "jo.doe", OG_EINPUT, NULL },
};
/* clang-format on */

static void
check_use(void **state)
{
	const struct use *row = *state;
	struct og_gateway use = { .port = row->port, .tls = row->tls };
	static const struct og_secret none;
	struct og_secret secret;
	struct og_error err = { "" };

	strcpy(use.host, row->host);
	strcpy(use.login, row->login);
	memset(&secret, 0x55, sizeof secret);
	assert_int_equal(
	    og_seal_open(one, row->owner, &use, sealed, &secret, &err),
	    row->status);
	if (row->status == OG_OK) {
		assert_string_equal(secret.text, PASSWORD);
		assert_int_equal(secret.len, strlen(PASSWORD));
	} else {
		assert_memory_equal(&secret, &none, sizeof none);
		assert_null(strstr(err.text, PASSWORD));
	}
	if (row->says != NULL)
		assert_string_equal(err.text, row->says);
}

static void
the_rest_of_a_gateway_buffer_does_not_matter(void **state)
{
	struct og_gateway use;
	struct og_secret secret;
	struct og_error err;

	(void)state;
	memset(&use, 0x55, sizeof use);
	strcpy(use.host, gateway.host);
	strcpy(use.login, gateway.login);
	use.port = gateway.port;
	use.tls = gateway.tls;
	assert_int_equal(
	    og_seal_open(one, OWNER, &use, sealed, &secret, &err), OG_OK);
	og_secret_wipe(&secret);
	assert_int_equal(secret.len, 0);
	assert_string_equal(secret.text, "");
}

/* ---- which keys ---- */

static void
another_key_cannot_say(void **state)
{
	struct og_secret secret;
	struct og_error err;

	(void)state;
	assert_int_equal(open_value(other, sealed, &secret, &err), OG_ESYSTEM);
	assert_non_null(strstr(err.text, other));
}

static void
either_of_two_recipients_opens(void **state)
{
	char value[OG_SEALED_SIZE];

	(void)state;
	close_text(two, PASSWORD, value);
	assert_opens(one, value, PASSWORD);
	assert_opens(only_b, value, PASSWORD);
	assert_opens(two, value, PASSWORD);
}

static void
an_old_and_a_new_key_side_by_side_open_both(void **state)
{
	char value[OG_SEALED_SIZE];

	(void)state;
	close_text(only_b, PASSWORD, value);
	assert_opens(two, value, PASSWORD);
	assert_opens(two, sealed, PASSWORD);
}

static void
four_recipients_with_the_longest_settings_fit(void **state)
{
	struct og_gateway longest = { .port = 65535, .tls = OG_TLS_STARTTLS };
	char dir[SCRATCH_PATH_SIZE], value[OG_SEALED_SIZE];
	static const char *const names[] = {
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		"cccccccccccccccccccccccccccccccc",
		"dddddddddddddddddddddddddddddddd",
	};
	char owner[OG_OWNER_SIZE] = "", text[OG_SECRET_SIZE];
	struct og_secret secret, back;
	struct og_error err;
	size_t i;

	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/four", scratch);
	assert_int_equal(mkdir(dir, 0700), 0);
	for (i = 0; i < N_ROWS(names); i++)
		assert_int_equal(
		    og_seal_keygen(dir, names[i], -1, &err), OG_OK);
	memset(owner, '"', sizeof owner - 1);
	memset(longest.host, 'h', sizeof longest.host - 1);
	memset(longest.login, '\\', sizeof longest.login - 1);
	/* the control character takes six octets when it is escaped */
	memset(text, 0x01, sizeof text - 1);
	assert_int_equal(
	    og_secret_set(&secret, text, sizeof text - 1, &err), OG_OK);
	assert_int_equal(
	    og_seal_close(dir, owner, &longest, &secret, value, &err), OG_OK);
	assert_int_equal(
	    og_seal_open(dir, owner, &longest, value, &back, &err), OG_OK);
	assert_memory_equal(&back, &secret, sizeof back);

	memset(longest.login, 0x01, sizeof longest.login - 1);
	assert_int_equal(
	    og_seal_close(dir, owner, &longest, &secret, value, &err),
	    OG_ELIMIT);
	assert_string_equal(value, "");
}

struct count {
	const char *name;
	const char *script; /* fills the directory */
	const char *says;
};

/* clang-format off */
static const struct count counts[] = {
	{ "no certificate is not enough", "true", "here are 0" },
	{ "five certificates are too many", "for i in 1 2 3 4 5; do cp ../one/a.crt $i.crt; done", "here are 5" },
	{ "a certificate that is none is not passed over", "cp ../one/a.crt a.crt; echo x >b.crt", "b.crt" },
	{ "a certificate that others may write is refused", "cp ../one/a.crt .; chmod 666 a.crt", "a.crt" },
	{ "an RSA certificate is refused", "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=r -keyout r.key -out r.crt", "P-256" },
	{ "a certificate of another curve is refused", "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -subj /CN=r -keyout r.key -out r.crt", "P-256" },
	{ "a directory that others may write is refused", "cp ../one/a.crt .; chmod 777 .", "0777" },
	{ "issuers so long that the value would not fit are refused",
	  "x=$(printf %064d 1); for i in 1 2 3 4; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $i.key -out $i.crt "
	  "-subj /CN=$i/OU=$x/OU=$x/OU=$x/OU=$x/OU=$x/OU=$x/OU=$x/OU=$x/OU=$x || exit 1; done", "fewer certificates" },
};
/* clang-format on */

static void
check_count(void **state)
{
	const struct count *row = *state;
	char dir[SCRATCH_PATH_SIZE], value[OG_SEALED_SIZE] = "x";
	struct og_secret secret;
	struct og_error err = { "" };

	(void)snprintf(dir, sizeof dir, "%s/count", scratch);
	assert_int_equal(scratch_run(scratch, "rm -rf count"), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(scratch_run(dir, row->script), 0);
	assert_int_equal(
	    og_secret_set(&secret, PASSWORD, strlen(PASSWORD), &err), OG_OK);
	assert_int_equal(
	    og_seal_close(dir, OWNER, &gateway, &secret, value, &err),
	    OG_ESYSTEM);
	assert_string_equal(value, "");
	assert_non_null(strstr(err.text, row->says));
}

static void
a_hidden_file_is_no_certificate(void **state)
{
	char dir[SCRATCH_PATH_SIZE], value[OG_SEALED_SIZE];

	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/spoilt", scratch);
	assert_int_equal(scratch_run(scratch,
			     "rm -rf spoilt; cp -pR one spoilt && "
			     "echo x >spoilt/.a.crt"),
	    0);
	close_text(dir, PASSWORD, value);
	assert_opens(one, value, PASSWORD);
}

static void
what_is_no_owner_is_not_sealed_for(void **state)
{
	char value[OG_SEALED_SIZE] = "x";
	struct og_secret secret;
	struct og_error err;

	(void)state;
	assert_int_equal(
	    og_secret_set(&secret, PASSWORD, strlen(PASSWORD), &err), OG_OK);
	assert_int_equal(
	    og_seal_close(one, "", &gateway, &secret, value, &err), OG_EINPUT);
	assert_string_equal(value, "");
	assert_int_equal(
	    og_seal_close(one, "a\nb", &gateway, &secret, value, &err),
	    OG_EINPUT);
	og_secret_wipe(&secret);
	assert_int_equal(
	    og_seal_close(one, OWNER, &gateway, &secret, value, &err),
	    OG_EINPUT);
}

/* ---- the files of a key ---- */

struct spoilt {
	const char *name;
	const char *script; /* what happens in a copy of the pair */
	const char *says;   /* what the text names */
};

/* clang-format off */
static const struct spoilt spoilt[] = {
	{ "a key that others may read is refused", "chmod 644 a.key", "a.key" },
	{ "a key that others may write is refused", "chmod 602 a.key", "a.key" },
	{ "a key that its group may write is refused", "chmod 660 a.key", "a.key" },
	{ "a key that everybody may write is refused", "chmod 666 a.key", "a.key" },
	{ "a key of another user is refused", "chown 65534 a.key", "a.key" },
	{ "a key with two names is refused", "ln a.key again", "a.key" },
	{ "a link in place of a key is refused", "mv a.key real && ln -s real a.key", "a.key" },
	{ "a directory in place of a key is refused", "rm a.key && mkdir a.key", "a.key" },
	{ "a FIFO in place of a key is refused", "rm a.key && mkfifo -m 600 a.key", "a.key" },
	{ "an empty key is refused", ": >a.key", "a.key" },
	{ "a key cut short is refused", "head -c 150 ../one/a.key >a.key", "a.key" },
	{ "a key that is too long is refused", "head -c 20000 /dev/zero >a.key", "a.key" },
	{ "a missing key is told", "rm a.key", "a.key" },
	{ "a key under a passphrase is refused, and nobody is asked for it",
	  "openssl pkcs8 -topk8 -in ../one/a.key -passout pass:x -out a.key", "a.key" },
	{ "the key of another certificate is refused", "cat ../other/c.key >a.key", "a.key" },
	{ "a certificate in place of a key is refused", "cat a.crt >a.key", "a.key" },
	{ "a missing certificate is no key", "rm a.crt", "no key here fits" },
	{ "a certificate that is none is told", "echo x >a.crt", "a.crt" },
	{ "an empty certificate is told", ": >a.crt", "a.crt" },
	{ "a certificate that others may write is refused", "chmod 666 a.crt", "a.crt" },
	{ "a link in place of a certificate is refused", "mv a.crt real && ln -s real a.crt", "a.crt" },
	{ "a directory that others may write is refused", "chmod 777 .", "/spoilt" },
	{ "a directory that its group may write is refused", "chmod 770 .", "/spoilt" },
	{ "a directory that others may look into is refused", "chmod 755 .", "/spoilt" },
	{ "a directory of another user is refused", "chown 65534 .", "/spoilt" },
	{ "a directory that is empty has no key", "rm a.crt a.key", "no key here fits" },
	{ "a directory that is not there is told", "rmdir ../none 2>&-; rm -r ../spoilt", "/spoilt" },
	{ "a file in place of the directory is told", "rm -r ../spoilt; : >../spoilt", "/spoilt" },
	{ "more files than anybody needs are refused", "for i in $(seq 20); do cp a.crt $i.crt; done", "/spoilt" },
	{ "a name that is too long is refused", "cp a.crt $(printf '%070d' 1).crt", "/spoilt" },
};
/* clang-format on */

static void
check_spoilt(void **state)
{
	const struct spoilt *row = *state;
	char dir[SCRATCH_PATH_SIZE];
	struct og_secret secret;
	struct og_error err;

	(void)snprintf(dir, sizeof dir, "%s/spoilt", scratch);
	assert_int_equal(
	    scratch_run(scratch, "rm -rf spoilt; cp -pR one spoilt"), 0);
	assert_opens(dir, sealed, PASSWORD);
	assert_int_equal(scratch_run(dir, row->script), 0);
	assert_int_equal(open_value(dir, sealed, &secret, &err), OG_ESYSTEM);
	assert_non_null(strstr(err.text, row->says));
}

struct harmless {
	const char *name;
	const char *script;
};

/* clang-format off */
static const struct harmless harmless[] = {
	{ "a key that its group may read is as it should be", "chmod 640 a.key" },
	{ "a key that nobody may write is as good", "chmod 400 a.key" },
	{ "a broken foreign pair does not stop ours", "echo x >0.crt; echo x >0.key" },
	{ "a foreign certificate without its key does not stop ours", "cp ../other/c.crt 0.crt" },
	{ "a foreign pair does not stop ours", "cp -p ../other/c.* ." },
	{ "a hidden file is passed over", "mkdir .hidden.crt" },
	{ "a file of another kind is passed over", "mkdir notes a.crt~; mkfifo x.pem" },
};
/* clang-format on */

static void
check_harmless(void **state)
{
	const struct harmless *row = *state;
	char dir[SCRATCH_PATH_SIZE];

	(void)snprintf(dir, sizeof dir, "%s/spoilt", scratch);
	assert_int_equal(
	    scratch_run(scratch, "rm -rf spoilt; cp -pR one spoilt"), 0);
	assert_int_equal(scratch_run(dir, row->script), 0);
	assert_opens(dir, sealed, PASSWORD);
}

static void
a_relative_directory_is_refused(void **state)
{
	struct og_secret secret;
	struct og_error err;

	(void)state;
	assert_int_equal(open_value("one", sealed, &secret, &err), OG_ESYSTEM);
	assert_non_null(strstr(err.text, "absolute"));
}

/* ---- passwords ---- */

struct password {
	const char *name;
	const char *text;
};

/* clang-format off */
static const struct password passwords[] = {
	{ "a caret comes back", "a^b^^" },
	{ "a colon comes back", ":a:b:" },
	{ "braces come back", "{a}{{b" },
	{ "dollar signs come back", "$a${run{x}}$$" },
	{ "backslashes come back", "\\a\\\\n\\" },
	{ "quotes come back", "\"a'b`" },
	{ "blanks come back, at both ends too", "  a  b  " },
	{ "a tab comes back", "\ta\tb" },
	{ "UTF-8 comes back", "p\xc3\xa4\xc3\x9fw\xc3\xb6rd \xe2\x82\xac \xf0\x9f\x98\x80" },
	{ "one octet comes back", "x" },
	{ "control characters come back", "\x01\x1f\x7f" },
	{ "what looks like a sealed value comes back", "{CMS}MIIB" },
	{ "what looks like JSON comes back", "\",\"secret\":\"y\",\"pad\":\"" },
};
/* clang-format on */

static void
check_password(void **state)
{
	const struct password *row = *state;
	char value[OG_SEALED_SIZE];

	close_text(one, row->text, value);
	assert_opens(one, value, row->text);
}

static void
every_length_gives_the_same_length(void **state)
{
	char text[OG_SECRET_SIZE], value[OG_SEALED_SIZE];
	size_t first = 0;
	size_t len;

	(void)state;
	for (len = 1; len < OG_SECRET_SIZE; len += len < 255 ? 127 : 1) {
		/* the worst that needs no escape of six octets */
		memset(text, '"', len);
		text[len] = '\0';
		close_text(one, text, value);
		assert_opens(one, value, text);
		if (first == 0)
			first = strlen(value);
		assert_int_equal(strlen(value), first);
	}
	memset(text, 'x', 256);
	text[256] = '\0';
	close_text(one, text, value);
	assert_int_equal(strlen(value), first);
}

static void
no_two_seals_are_the_same(void **state)
{
	char value[OG_SEALED_SIZE];

	(void)state;
	close_text(one, PASSWORD, value);
	assert_string_not_equal(value, sealed);
}

struct unfit {
	const char *name;
	const char *text;
	size_t len;
};

/* clang-format off */
static const struct unfit unfit[] = {
	{ "no password", "", 0 },
	{ "a carriage return", "a\rb", 3 },
	{ "a newline", "a\nb", 3 },
	{ "a newline at the end", "ab\n", 3 },
	{ "a NUL", "a\0b", 3 },
	{ "a NUL alone", "\0", 1 },
	{ "Latin-1", "p\xe4\xdfwort", 7 },
	{ "half a character", "a\xc3", 2 },
};
/* clang-format on */

static void
check_unfit(void **state)
{
	const struct unfit *row = *state;
	static const struct og_secret none;
	struct og_secret secret;
	struct og_error err = { "" };

	memset(&secret, 0x55, sizeof secret);
	assert_int_equal(
	    og_secret_set(&secret, row->text, row->len, &err), OG_EINPUT);
	assert_memory_equal(&secret, &none, sizeof none);
	assert_true(err.text[0] != '\0');
}

static void
a_password_has_256_octets_at_most(void **state)
{
	char text[OG_SECRET_SIZE];
	struct og_secret secret;
	struct og_error err;

	(void)state;
	memset(text, 'x', sizeof text);
	assert_int_equal(og_secret_set(&secret, text, 256, &err), OG_OK);
	assert_int_equal(secret.len, 256);
	assert_int_equal(secret.text[256], '\0');
	assert_int_equal(og_secret_set(&secret, text, 257, &err), OG_EINPUT);
	assert_int_equal(secret.len, 0);
	assert_null(strstr(err.text, "xxx"));
}

/* ---- damage ---- */

static void
put_value(const uint8_t *der, size_t n, char out[OG_SEALED_SIZE])
{
	struct og_text text;

	og_text_start(&text, out, OG_SEALED_SIZE);
	og_text_put(&text, OG_SEALED_PREFIX);
	og_base64_put(&text, OG_BASE64_PLAIN, der, n);
	assert_false(text.truncated);
}

static size_t
get_der(const char *value, uint8_t der[OG_SEALED_DER_MAX])
{
	struct og_error err;
	size_t n = 0;

	assert_int_equal(og_sealed_decode(value, der, &n, &err), OG_OK);
	return n;
}

/* Letters of the issuer's name included, whose case the library ignores. */
static void
no_octet_can_be_changed(void **state)
{
	static const uint8_t masks[] = { 0x01, 0x20, 0x80, 0xff };
	uint8_t der[OG_SEALED_DER_MAX];
	char value[OG_SEALED_SIZE];
	size_t n = get_der(sealed, der);
	struct og_secret secret;
	struct og_error err;
	size_t i, k;

	(void)state;
	for (i = 0; i < n; i++) {
		/* one bit of a ciphertext is as good as another */
		bool text = i > 400 && i < n - 32;

		for (k = 0; k < (text ? 1 : sizeof masks); k++) {
			der[i] ^= masks[k];
			put_value(der, n, value);
			der[i] ^= masks[k];
			if (open_value(one, value, &secret, &err) == OG_OK)
				fail_msg("octet %zu ^ %02x", i, masks[k]);
			assert_true(secret.len == 0);
		}
	}
	put_value(der, n, value);
	assert_opens(one, value, PASSWORD);
}

static void
nothing_can_be_cut_off_or_added(void **state)
{
	uint8_t der[OG_SEALED_DER_MAX];
	char value[OG_SEALED_SIZE];
	size_t n = get_der(sealed, der);
	struct og_secret secret;
	struct og_error err;
	size_t i;

	(void)state;
	for (i = 0; i < n; i++) {
		put_value(der, i, value);
		assert_int_equal(
		    open_value(one, value, &secret, &err), OG_EINPUT);
	}
	der[n] = 0;
	put_value(der, n + 1, value);
	assert_int_equal(open_value(one, value, &secret, &err), OG_EINPUT);
	for (i = 0; i < strlen(sealed); i++) {
		(void)snprintf(value, sizeof value, "%.*s", (int)i, sealed);
		assert_int_equal(
		    open_value(one, value, &secret, &err), OG_EINPUT);
	}
}

static void
what_is_damaged_is_not_a_fault_of_the_system(void **state)
{
	uint8_t der[OG_SEALED_DER_MAX];
	char value[OG_SEALED_SIZE];
	size_t n = get_der(sealed, der);
	struct og_secret secret;
	struct og_error err;

	(void)state;
	der[n - 1] ^= 1; /* the tag */
	put_value(der, n, value);
	assert_int_equal(open_value(one, value, &secret, &err), OG_EINPUT);
	assert_non_null(strstr(err.text, "damaged"));
}

static void
beside_a_broken_pair_nobody_can_say_that_it_is_damaged(void **state)
{
	uint8_t der[OG_SEALED_DER_MAX];
	char value[OG_SEALED_SIZE], dir[SCRATCH_PATH_SIZE];
	size_t n = get_der(sealed, der);
	struct og_secret secret;
	struct og_error err;

	(void)state;
	der[n - 1] ^= 1;
	put_value(der, n, value);
	(void)snprintf(dir, sizeof dir, "%s/spoilt", scratch);
	assert_int_equal(scratch_run(scratch,
			     "rm -rf spoilt; cp -pR one spoilt && "
			     "echo x >spoilt/0.crt"),
	    0);
	assert_int_equal(open_value(dir, value, &secret, &err), OG_ESYSTEM);
	assert_non_null(strstr(err.text, "0.crt"));
	assert_int_equal(
	    scratch_run(scratch, "mv spoilt/0.crt spoilt/z.crt"), 0);
	assert_int_equal(open_value(dir, value, &secret, &err), OG_ESYSTEM);
	assert_non_null(strstr(err.text, "z.crt"));
}

static bool
is_wrapped_key(const uint8_t *at)
{
	/* OCTET STRING of 40 octets behind 16 octets of serial number */
	return at[0] == 0x04 && at[1] == 40 && at[-18] == 0x02 &&
	       at[-17] == 16;
}

static void
a_damaged_foreign_recipient_does_not_stop_ours(void **state)
{
	uint8_t der[OG_SEALED_DER_MAX];
	char value[OG_SEALED_SIZE];
	struct og_secret secret;
	struct og_error err;
	size_t damaged = 0;
	size_t i, n;

	(void)state;
	close_text(two, PASSWORD, value);
	n = get_der(value, der);
	for (i = 18; i + 2 < n; i++) {
		enum og_status a, b;

		if (!is_wrapped_key(der + i))
			continue;
		damaged++;
		der[i + 10] ^= 1;
		put_value(der, n, value);
		der[i + 10] ^= 1;
		a = open_value(one, value, &secret, &err);
		b = open_value(only_b, value, &secret, &err);
		/* one of the two is the damaged one */
		assert_int_equal(a == OG_OK ? b : a, OG_EINPUT);
		assert_true(a == OG_OK || b == OG_OK);
		/* and a host that holds both keys opens it by the other */
		assert_opens(two, value, PASSWORD);
	}
	assert_int_equal(damaged, 2);
}

/* Cut the first recipient out of an envelope; its length, tag included. */
static size_t
recipient_of(const uint8_t *der, const uint8_t **at)
{
	size_t i;

	/* SET, a length of one octet, [1], a length of one octet, version 3 */
	for (i = 0; i < 64; i++) {
		if (der[i] == 0x31 && der[i + 1] == 0x81 &&
		    der[i + 3] == 0xa1 && der[i + 4] == 0x81) {
			*at = der + i + 3;
			return (size_t)der[i + 5] + 3;
		}
	}
	fail_msg("no recipient");
	return 0;
}

/*
 * The recipient a of one envelope in front of an envelope for b: a's key opens
 * its own recipient, finds another content key there, and what that makes of
 * the content must be gone when b's turn comes.
 */
static void
a_key_that_opens_something_else_does_not_stop_the_next(void **state)
{
	uint8_t a[OG_SEALED_DER_MAX], b[OG_SEALED_DER_MAX];
	uint8_t both[OG_SEALED_DER_MAX];
	const uint8_t *a_at = NULL, *b_at = NULL;
	char value[OG_SEALED_SIZE];
	size_t a_len, b_len, n, set;

	(void)state;
	(void)get_der(sealed, a);
	a_len = recipient_of(a, &a_at);
	close_text(only_b, PASSWORD, value);
	n = get_der(value, b);
	b_len = recipient_of(b, &b_at);

	/* 30 82 .. .. oid a0 82 .. .. 30 82 .. .. 02 01 00 31 81 .. */
	set = (size_t)(b_at - b);
	memcpy(both, b, set - 3);
	memcpy(both + set - 3, (uint8_t[]){ 0x31, 0x82, 0, 0 }, 4);
	both[set - 1] = (uint8_t)((a_len + b_len) >> 8);
	both[set] = (uint8_t)(a_len + b_len);
	memcpy(both + set + 1, a_at, a_len);
	memcpy(both + set + 1 + a_len, b_at, n - set);
	n += a_len + 1;
	both[2] = (uint8_t)((n - 4) >> 8);
	both[3] = (uint8_t)(n - 4);
	both[19] = (uint8_t)((n - 21) >> 8);
	both[20] = (uint8_t)(n - 21);
	both[23] = (uint8_t)((n - 25) >> 8);
	both[24] = (uint8_t)(n - 25);
	put_value(both, n, value);
	assert_opens(only_b, value, PASSWORD);
	assert_opens(two, value, PASSWORD);
}

/* ---- the openssl command, both ways ---- */

#define PLAIN \
	"{\"v\":\"1\",\"owner\":\"" OWNER "\",\"host\":\"" HOST "\"," \
	"\"port\":\"465\",\"tls\":\"implicit\",\"login\":\"jo.doe\"," \
	"\"secret\":\"" PASSWORD "\",\"pad\":\"      \"}"

#define START_OF_PLAIN \
	"{\"v\":\"1\",\"owner\":\"" OWNER "\",\"host\":\"" HOST "\"," \
	"\"port\":\"465\",\"tls\":\"implicit\",\"login\":\"jo.doe\"," \
	"\"secret\":\"" PASSWORD "\",\"pad\":\"  "

/* Make t.der of a plain text by a line of shell, and its value. */
static void
make_value(const char *plain, const char *script, char out[OG_SEALED_SIZE])
{
	char path[SCRATCH_PATH_SIZE + 16];
	uint8_t der[OG_SEALED_DER_MAX + 1];
	size_t n;

	(void)snprintf(path, sizeof path, "%s/plain.json", scratch);
	assert_int_equal(scratch_write(path, plain, strlen(plain)), 0);
	assert_int_equal(scratch_run(scratch, script), 0);
	(void)snprintf(path, sizeof path, "%s/t.der", scratch);
	n = scratch_read(path, der, sizeof der);
	assert_in_range(n, 64, OG_SEALED_DER_MAX);
	put_value(der, n, out);
}

static void
what_the_openssl_command_seals_opens(void **state)
{
	char value[OG_SEALED_SIZE];

	(void)state;
	make_value(PLAIN,
	    "openssl cms -encrypt " CIPHER "-recip one/a.crt" SHA256_KDF, value);
	assert_opens(one, value, PASSWORD);
}

static void
what_the_openssl_command_seals_for_two_opens(void **state)
{
	char value[OG_SEALED_SIZE];

	(void)state;
	make_value(PLAIN,
	    "openssl cms -encrypt " CIPHER "-recip one/a.crt" SHA256_KDF
	    "-recip only-b/b.crt" SHA256_KDF,
	    value);
	assert_opens(one, value, PASSWORD);
	assert_opens(only_b, value, PASSWORD);
}

static void
what_we_seal_the_openssl_command_opens(void **state)
{
	char path[SCRATCH_PATH_SIZE + 16];
	uint8_t der[OG_SEALED_DER_MAX];
	char text[4096] = "";
	size_t n = get_der(sealed, der);

	(void)state;
	(void)snprintf(path, sizeof path, "%s/s.der", scratch);
	assert_int_equal(scratch_write(path, der, n), 0);
	assert_int_equal(scratch_run(scratch,
			     "openssl cms -decrypt -inform DER -in s.der "
			     "-inkey one/a.key -recip one/a.crt -out s.json"),
	    0);
	(void)snprintf(path, sizeof path, "%s/s.json", scratch);
	n = scratch_read(path, text, sizeof text - 1);
	assert_int_equal(n % 512, 0);
	text[strlen(START_OF_PLAIN)] = '\0';
	assert_string_equal(text, START_OF_PLAIN);
}

struct foreign {
	const char *name;
	const char *script;
};

/* clang-format off */
static const struct foreign foreign[] = {
	{ "EnvelopedData with CBC is refused",
	  "openssl cms -encrypt -binary -aes-256-cbc -outform DER -in plain.json -out t.der -recip one/a.crt" SHA256_KDF },
	{ "a key derivation with SHA-1 is refused", "openssl cms -encrypt " CIPHER "-recip one/a.crt" },
	{ "an RSA recipient is refused",
	  "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=r -keyout r.key -out r.crt && openssl cms -encrypt " CIPHER "-recip r.crt" },
	{ "an RSA recipient beside ours is refused",
	  "openssl cms -encrypt " CIPHER "-recip one/a.crt" SHA256_KDF "-recip r.crt" },
	{ "AES-128-GCM is refused",
	  "openssl cms -encrypt -binary -aes-128-gcm -outform DER -in plain.json -out t.der -recip one/a.crt" SHA256_KDF },
	{ "a recipient named by a key identifier is refused",
	  "openssl req -x509 -key one/a.key -subj /CN=k -addext subjectKeyIdentifier=hash -out k.crt && "
	  "openssl cms -encrypt -keyid " CIPHER "-recip k.crt" SHA256_KDF },
	{ "BER of indefinite length is refused", "openssl cms -encrypt -stream " CIPHER "-recip one/a.crt" SHA256_KDF },
	{ "five recipients are refused",
	  "openssl cms -encrypt " CIPHER "-recip one/a.crt" SHA256_KDF "-recip one/a.crt" SHA256_KDF "-recip one/a.crt" SHA256_KDF
	  "-recip one/a.crt" SHA256_KDF "-recip only-b/b.crt" SHA256_KDF },
	{ "plain data is refused", "openssl cms -data_create -binary -in plain.json -outform DER -out t.der" },
};
/* clang-format on */

static void
check_foreign(void **state)
{
	const struct foreign *row = *state;
	char value[OG_SEALED_SIZE];
	struct og_secret secret;
	struct og_error err;

	make_value(PLAIN, row->script, value);
	assert_int_equal(open_value(one, value, &secret, &err), OG_EINPUT);
	assert_non_null(strstr(err.text, "profile outgate-seal-1"));
}

#define START "{\"v\":\"1\",\"owner\":\"" OWNER "\",\"host\":\"" HOST "\","
#define MIDDLE "\"port\":\"465\",\"tls\":\"implicit\",\"login\":\"jo.doe\","

struct content {
	const char *name;
	const char *plain;
	enum og_status status;
};

/* clang-format off */
static const struct content contents[] = {
	{ "no padding is as good", START MIDDLE "\"secret\":\"x\",\"pad\":\"\"}", OG_OK },
	{ "another order of the fields is as good", "{\"pad\":\"\",\"secret\":\"x\"," MIDDLE "\"host\":\"" HOST "\",\"owner\":\"" OWNER "\",\"v\":\"1\"}", OG_OK },
	{ "a missing field is refused", START "\"port\":\"465\",\"tls\":\"implicit\",\"secret\":\"x\",\"pad\":\"\"}", OG_EINPUT },
	{ "a missing padding is refused", START MIDDLE "\"secret\":\"x\"}", OG_EINPUT },
	{ "a field of another name is refused", START MIDDLE "\"secret\":\"x\",\"pad\":\"\",\"address\":\"a\"}", OG_EINPUT },
	{ "a field that comes twice is refused", START MIDDLE "\"secret\":\"x\",\"secret\":\"x\",\"pad\":\"\"}", OG_EINPUT },
	{ "another version is refused", "{\"v\":\"2\",\"owner\":\"" OWNER "\",\"host\":\"" HOST "\"," MIDDLE "\"secret\":\"x\",\"pad\":\"\"}", OG_EINPUT },
	{ "no version is refused", "{\"v\":\"\",\"owner\":\"" OWNER "\",\"host\":\"" HOST "\"," MIDDLE "\"secret\":\"x\",\"pad\":\"\"}", OG_EINPUT },
	{ "a port that is a number is refused", START "\"port\":465,\"tls\":\"implicit\",\"login\":\"jo.doe\",\"secret\":\"x\",\"pad\":\"\"}", OG_EINPUT },
	{ "a port with a zero in front is denied", START "\"port\":\"0465\",\"tls\":\"implicit\",\"login\":\"jo.doe\",\"secret\":\"x\",\"pad\":\"\"}", OG_EDENIED },
	{ "a host in capitals is denied", "{\"v\":\"1\",\"owner\":\"" OWNER "\",\"host\":\"SMTP.partner.example\"," MIDDLE "\"secret\":\"x\",\"pad\":\"\"}", OG_EDENIED },
	{ "another owner inside is denied", "{\"v\":\"1\",\"owner\":\"" NOT_LOGGED_IN "\",\"host\":\"" HOST "\"," MIDDLE "\"secret\":\"x\",\"pad\":\"\"}", OG_EDENIED },
	{ "an empty owner inside is denied", "{\"v\":\"1\",\"owner\":\"\",\"host\":\"" HOST "\"," MIDDLE "\"secret\":\"x\",\"pad\":\"\"}", OG_EDENIED },
	{ "an empty password is refused", START MIDDLE "\"secret\":\"\",\"pad\":\"\"}", OG_EINPUT },
	{ "a newline in the password is refused", START MIDDLE "\"secret\":\"" PASSWORD "\\n250\",\"pad\":\"\"}", OG_EINPUT },
	{ "a NUL in the password is refused", START MIDDLE "\"secret\":\"" PASSWORD "\\u0000\",\"pad\":\"\"}", OG_EINPUT },
	{ "something behind the object is refused", START MIDDLE "\"secret\":\"" PASSWORD "\",\"pad\":\"\"}x", OG_EINPUT },
	{ "a bare password is refused", PASSWORD, OG_EINPUT },
	{ "a login that is too long is refused", START "\"port\":\"465\",\"tls\":\"implicit\",\"login\":\""
	  "jojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojo"
	  "jojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojo"
	  "jojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojojo\",\"secret\":\"" PASSWORD "\",\"pad\":\"\"}", OG_EINPUT },
};
/* clang-format on */

static void
check_content(void **state)
{
	const struct content *row = *state;
	char value[OG_SEALED_SIZE];
	struct og_secret secret;
	struct og_error err;

	make_value(row->plain,
	    "openssl cms -encrypt " CIPHER "-recip one/a.crt" SHA256_KDF, value);
	assert_int_equal(open_value(one, value, &secret, &err), row->status);
	if (row->status == OG_OK)
		assert_string_equal(secret.text, "x");
}

/* ---- keys ---- */

struct key_name {
	const char *name;
	const char *key;
	enum og_status status;
};

/* clang-format off */
static const struct key_name key_names[] = {
	{ "a short name is allowed", "x", OG_OK },
	{ "letters, digits and a hyphen are allowed", "2026-seal", OG_OK },
	{ "a name of 32 octets is allowed", "12345678901234567890123456789012", OG_OK },
	{ "a name of 33 octets is not", "123456789012345678901234567890123", OG_EINPUT },
	{ "no name is no name", "", OG_EINPUT },
	{ "capitals are not allowed", "Seal", OG_EINPUT },
	{ "a dot is not allowed", "a.b", OG_EINPUT },
	{ "another directory is not a name", "../a", OG_EINPUT },
	{ "a quote is not allowed", "a\"", OG_EINPUT },
	{ "a newline is not allowed", "a\n", OG_EINPUT },
};
/* clang-format on */

static void
check_key_name(void **state)
{
	const struct key_name *row = *state;
	char dir[SCRATCH_PATH_SIZE];
	struct og_error err;

	(void)snprintf(dir, sizeof dir, "%s/names", scratch);
	assert_int_equal(scratch_run(scratch, "rm -rf names"), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(og_seal_keygen(dir, row->key, -1, &err), row->status);
	assert_int_equal(scratch_run(dir, "test -z \"$(ls -A)\""),
	    row->status == OG_OK ? 1 : 0);
}

static mode_t
mode_of(const char *dir, const char *file, gid_t *group)
{
	char path[SCRATCH_PATH_SIZE + 16];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/%s", dir, file);
	assert_int_equal(lstat(path, &st), 0);
	*group = st.st_gid;
	return st.st_mode & 07777;
}

static void
a_new_key_is_closed_whatever_the_umask(void **state)
{
	char dir[SCRATCH_PATH_SIZE];
	struct og_error err;
	mode_t before;
	gid_t group;

	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/modes", scratch);
	assert_int_equal(mkdir(dir, 0700), 0);
	before = umask(0);
	assert_int_equal(og_seal_keygen(dir, "none", -1, &err), OG_OK);
	(void)umask(0777);
	assert_int_equal(
	    og_seal_keygen(dir, "group", (long)getegid(), &err), OG_OK);
	(void)umask(before);
	assert_int_equal(mode_of(dir, "none.key", &group), 0600);
	assert_int_equal(mode_of(dir, "none.crt", &group), 0644);
	assert_int_equal(mode_of(dir, "group.key", &group), 0640);
	assert_int_equal(group, getegid());
	assert_int_equal(mode_of(dir, "group.crt", &group), 0644);
}

static void
a_key_is_never_overwritten(void **state)
{
	char dir[SCRATCH_PATH_SIZE];
	struct og_error err;

	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/again", scratch);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(scratch_run(dir, "echo mine >a.key"), 0);
	assert_int_equal(og_seal_keygen(dir, "a", -1, &err), OG_EDENIED);
	assert_non_null(strstr(err.text, "a.key"));
	assert_int_equal(
	    scratch_run(dir, "test \"$(cat a.key)\" = mine -a ! -e a.crt"), 0);
	assert_int_equal(scratch_run(dir, "mv a.key a.crt"), 0);
	assert_int_equal(og_seal_keygen(dir, "a", -1, &err), OG_EDENIED);
	assert_non_null(strstr(err.text, "a.crt"));
	assert_int_equal(
	    scratch_run(dir, "test \"$(cat a.crt)\" = mine -a ! -e a.key"), 0);
	assert_int_equal(scratch_run(dir, "rm a.crt; ln -s gone a.key"), 0);
	assert_int_equal(og_seal_keygen(dir, "a", -1, &err), OG_EDENIED);
	assert_int_equal(scratch_run(dir, "test ! -e gone"), 0);
}

static void
no_key_is_made_where_it_would_be_refused(void **state)
{
	char dir[SCRATCH_PATH_SIZE];
	struct og_error err;

	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/loose", scratch);
	assert_int_equal(scratch_run(scratch, "mkdir -m 755 loose"), 0);
	assert_int_equal(og_seal_keygen(dir, "a", -1, &err), OG_ESYSTEM);
	assert_non_null(strstr(err.text, "0755"));
	assert_int_equal(scratch_run(dir, "test -z \"$(ls -A)\""), 0);
}

static void
a_new_certificate_is_one_to_openssl(void **state)
{
	(void)state;
	assert_int_equal(scratch_run(one,
			     "openssl verify -CAfile a.crt a.crt && "
			     "openssl x509 -in a.crt -noout -text | "
			     "grep -q 'Key Agreement'"),
	    0);
}

int
main(void)
{
	static const struct CMUnitTest single[] = {
		cmocka_unit_test(the_rest_of_a_gateway_buffer_does_not_matter),
		cmocka_unit_test(another_key_cannot_say),
		cmocka_unit_test(either_of_two_recipients_opens),
		cmocka_unit_test(an_old_and_a_new_key_side_by_side_open_both),
		cmocka_unit_test(four_recipients_with_the_longest_settings_fit),
		cmocka_unit_test(a_hidden_file_is_no_certificate),
		cmocka_unit_test(what_is_no_owner_is_not_sealed_for),
		cmocka_unit_test(a_relative_directory_is_refused),
		cmocka_unit_test(every_length_gives_the_same_length),
		cmocka_unit_test(no_two_seals_are_the_same),
		cmocka_unit_test(a_password_has_256_octets_at_most),
		cmocka_unit_test(no_octet_can_be_changed),
		cmocka_unit_test(nothing_can_be_cut_off_or_added),
		cmocka_unit_test(what_is_damaged_is_not_a_fault_of_the_system),
		cmocka_unit_test(
		    beside_a_broken_pair_nobody_can_say_that_it_is_damaged),
		cmocka_unit_test(a_damaged_foreign_recipient_does_not_stop_ours),
		cmocka_unit_test(
		    a_key_that_opens_something_else_does_not_stop_the_next),
		cmocka_unit_test(what_the_openssl_command_seals_opens),
		cmocka_unit_test(what_the_openssl_command_seals_for_two_opens),
		cmocka_unit_test(what_we_seal_the_openssl_command_opens),
		cmocka_unit_test(a_new_key_is_closed_whatever_the_umask),
		cmocka_unit_test(a_key_is_never_overwritten),
		cmocka_unit_test(no_key_is_made_where_it_would_be_refused),
		cmocka_unit_test(a_new_certificate_is_one_to_openssl),
	};
	struct CMUnitTest
	    tests[N_ROWS(uses) + N_ROWS(counts) + N_ROWS(spoilt) +
		  N_ROWS(harmless) + N_ROWS(passwords) + N_ROWS(unfit) +
		  N_ROWS(foreign) + N_ROWS(contents) + N_ROWS(key_names) +
		  N_ROWS(single)];
	struct CMUnitTest *next = tests;

	next = ROWS_ADD(next, uses, check_use);
	next = ROWS_ADD(next, counts, check_count);
	next = ROWS_ADD(next, spoilt, check_spoilt);
	next = ROWS_ADD(next, harmless, check_harmless);
	next = ROWS_ADD(next, passwords, check_password);
	next = ROWS_ADD(next, unfit, check_unfit);
	next = ROWS_ADD(next, foreign, check_foreign);
	next = ROWS_ADD(next, contents, check_content);
	next = ROWS_ADD(next, key_names, check_key_name);
	memcpy(next, single, sizeof single);
	return cmocka_run_group_tests_name(
	    "seal", tests, group_setup, group_teardown);
}
