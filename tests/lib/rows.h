/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_TESTS_ROWS_H
#define OG_TESTS_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

/*
 * rows.h - a table whose every row is a cmocka test of its own.
 *
 * A row is a struct whose first field is "const char *name", a sentence.
 */

/*
 * Append one test a row.
 *
 * tests   where the next test goes; returns the place behind the last
 * rows    n rows of size octets each
 */
static inline struct CMUnitTest *
rows_add(struct CMUnitTest *tests, const void *rows, size_t n, size_t size,
    CMUnitTestFunction check)
{
	const char *row = rows;
	size_t i;

	for (i = 0; i < n; i++, row += size) {
		const char *const *name = (const void *)row;

		*tests++ = (struct CMUnitTest){
			.name = *name,
			.test_func = check,
			.initial_state = (void *)(uintptr_t)row,
		};
	}
	return tests;
}

#define N_ROWS(rows) (sizeof(rows) / sizeof(rows)[0])
#define ROWS_ADD(tests, rows, check) \
	rows_add(tests, rows, N_ROWS(rows), sizeof(rows)[0], check)

#endif
