/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_allocation.c - a lack of memory is never taken for a fault of the value's.
 *
 * The library's allocations fail one at a time, or all from one on, each time
 * in a child of its own.  All of them would take half a minute: these are every
 * STEP-th and, where the decryption itself is, the LAST ones.
 *
 * One child may die: EVP_KDF_CTX_new of OpenSSL 3.0 uses what it has not got.
 */
#include "rows.h"

#include <signal.h>
#include <stdbool.h>

#include <openssl/crypto.h>

#include "io/proof.h"
#include "io/seal.h"
#include "scratch.h"

#define STEP 61
#define LAST 180
#define DEATHS_MAX 1

static const struct og_gateway gateway = {
	.host = "smtp.partner.example",
	.port = 465,
	.login = "jo",
};
static const struct og_claim claim = {
	.issuer = "org.example",
	.owner = "jo",
	.address = "jo@partner.example",
	.host = "smtp.partner.example",
	.port = 465,
};

static char dir[SCRATCH_SIZE];
static char value[OG_SEALED_SIZE];
static char proof[OG_PROOF_SIZE];

/* How many more allocations succeed; less than 0: all. */
static long left = -1;
static bool for_good; /* and then none, or only one that fails */
static long count;

static bool
fails(void)
{
	count++;
	if (left < 0)
		return false;
	if (left > 0) {
		left--;
		return false;
	}
	if (!for_good)
		left = -1;
	return true;
}

static void *
my_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : malloc(size);
}

static void *
my_realloc(void *at, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : realloc(at, size);
}

static void
my_free(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	free(at);
}

static int
group_setup(void **state)
{
	struct og_secret secret;
	struct og_error err;

	(void)state;
	return scratch_make(dir) == 0 &&
		       og_seal_keygen(dir, "s", -1, &err) == OG_OK &&
		       og_proof_keygen(dir, "p", &err) == OG_OK &&
		       og_secret_set(&secret, "x", 1, &err) == OG_OK &&
		       og_seal_close(dir, "jo", &gateway, &secret, value,
			   &err) == OG_OK &&
		       og_proof_sign(dir, "p", &claim, 1000, 2000, proof,
			   &err) == OG_OK
		   ? 0
		   : -1;
}

static int
group_teardown(void **state)
{
	(void)state;
	return scratch_remove(dir);
}

static enum og_status
open_it(void)
{
	struct og_secret secret;
	struct og_error err;

	return og_seal_open(dir, "jo", &gateway, value, &secret, &err);
}

static enum og_status
verify_it(void)
{
	struct og_error err;

	return og_proof_verify(dir, &claim, 1500, proof, &err);
}

struct work {
	const char *name;
	enum og_status (*run)(void);
	bool for_good;
};

static const struct work works[] = {
	{ "a seal, without memory for a moment", open_it, false },
	{ "a seal, without memory from then on", open_it, true },
	{ "a proof, without memory for a moment", verify_it, false },
	{ "a proof, without memory from then on", verify_it, true },
};

/* The status of a run whose n-th allocation fails; -1: the child died. */
static int
run_failing(const struct work *work, long n)
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (pid == 0) {
		/* cmocka would report a signal as a failure of its own */
		(void)signal(SIGSEGV, SIG_DFL);
		left = n;
		for_good = work->for_good;
		_exit((int)work->run());
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) && WEXITSTATUS(status) <= OG_ESYSTEM
		   ? WEXITSTATUS(status)
		   : -1;
}

static void
check_work(void **state)
{
	const struct work *work = *state;
	int refused = 0;
	int deaths = 0;
	long n, all;

	count = 0;
	assert_int_equal(work->run(), OG_OK);
	all = count;
	for (n = 0; n < all; n += n < all - LAST ? STEP : 1) {
		int status = run_failing(work, n);

		if (status < 0)
			deaths++;
		else if (status == OG_ESYSTEM)
			refused++;
		else if (status != OG_OK)
			fail_msg("allocation %ld: status %d", n, status);
	}
	assert_true(deaths <= DEATHS_MAX);
	assert_true(refused > 0);
}

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(works)];

	/* before the library allocates anything */
	if (CRYPTO_set_mem_functions(my_malloc, my_realloc, my_free) != 1)
		return 1;
	ROWS_ADD(tests, works, check_work);
	return cmocka_run_group_tests_name(
	    "memory", tests, group_setup, group_teardown);
}
