/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_network.c - which addresses a gateway's name may lead to.
 */
#include "rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/network.h"

static struct og_ip
ip_of(const char *text)
{
	struct og_ip ip = { .len = strchr(text, ':') != NULL ? 16 : 4 };

	assert_int_equal(inet_pton(
	    ip.len == 4 ? AF_INET : AF_INET6, text, ip.octet), 1);
	return ip;
}

/* clang-format off */
struct row {
	const char *name;
	const char *address;
	bool special;
};
static const struct row addresses[] = {
	{ "this network", "0.0.0.0", true },
	{ "the last of this network", "0.255.255.255", true },
	{ "behind this network", "1.0.0.0", false },
	{ "before 10/8", "9.255.255.255", false },
	{ "private: 10/8", "10.0.0.0", true },
	{ "the last of 10/8", "10.255.255.255", true },
	{ "behind 10/8", "11.0.0.0", false },
	{ "before a provider's NAT", "100.63.255.255", false },
	{ "a provider's NAT", "100.64.0.0", true },
	{ "the last of a provider's NAT", "100.127.255.255", true },
	{ "behind a provider's NAT", "100.128.0.0", false },
	{ "before loopback", "126.255.255.255", false },
	{ "loopback", "127.0.0.1", true },
	{ "the last of loopback", "127.255.255.255", true },
	{ "behind loopback", "128.0.0.0", false },
	{ "before link-local", "169.253.255.255", false },
	{ "a cloud's metadata", "169.254.169.254", true },
	{ "behind link-local", "169.255.0.0", false },
	{ "before 172.16/12", "172.15.255.255", false },
	{ "private: 172.16/12", "172.16.0.0", true },
	{ "the last of 172.16/12", "172.31.255.255", true },
	{ "behind 172.16/12", "172.32.0.0", false },
	{ "reserved for protocols", "192.0.0.255", true },
	{ "behind what is reserved for protocols", "192.0.1.0", false },
	{ "documentation, as with Exim", "192.0.2.1", false },
	{ "6to4 relays", "192.88.99.1", true },
	{ "before 192.168/16", "192.167.255.255", false },
	{ "private: 192.168/16", "192.168.0.0", true },
	{ "behind 192.168/16", "192.169.0.0", false },
	{ "before benchmarks", "198.17.255.255", false },
	{ "benchmarks", "198.19.255.255", true },
	{ "behind benchmarks", "198.20.0.0", false },
	{ "before multicast", "223.255.255.255", false },
	{ "multicast", "224.0.0.1", true },
	{ "reserved", "240.0.0.1", true },
	{ "broadcast", "255.255.255.255", true },
	{ "nothing (::)", "::", true },
	{ "loopback (::1)", "::1", true },
	{ "IPv4 within IPv6", "::203.0.113.10", true },
	{ "IPv4 mapped into IPv6", "::ffff:127.0.0.1", true },
	{ "a public one mapped into IPv6", "::ffff:203.0.113.10", true },
	{ "IPv4 translated", "::ffff:0:10.0.0.1", true },
	{ "IPv4 by NAT64", "64:ff9b::10.0.0.1", true },
	{ "IPv4 by the site's NAT64", "64:ff9b:1::1", true },
	{ "discard", "100::1", true },
	{ "before 2000::/3", "1fff:ffff::1", true },
	{ "public IPv6", "2606:4700::1", false },
	{ "the last of 2000::/3", "3fff:ffff::1", false },
	{ "Teredo", "2001::1", true },
	{ "ORCHID", "2001:20::1", true },
	{ "the last for protocols", "2001:1ff:ffff::1", true },
	{ "behind those for protocols", "2001:200::1", false },
	{ "documentation in IPv6, as with Exim", "2001:db8::1", false },
	{ "6to4", "2002:a00:1::1", true },
	{ "behind 6to4", "2003::1", false },
	{ "behind 2000::/3", "4000::1", true },
	{ "nobody's", "8000::1", true },
	{ "unique local (fc00)", "fc00::1", true },
	{ "unique local (fd00)", "fd00:ec2::254", true },
	{ "link-local (fe80)", "fe80::1", true },
	{ "site-local", "fec0::1", true },
	{ "IPv6 multicast", "ff02::1", true },
};

struct reading {
	const char *name;
	const char *text;
	const char *error; /* NULL: it is read */
};
#define FORM "a network like 192.0.2.0/24 or 2001:db8::/32 is expected"
static const struct reading readings[] = {
	{ "a network of IPv4", "192.0.2.0/24", NULL },
	{ "a network of IPv6", "2001:db8::/32", NULL },
	{ "the longest way to write one", "2001:0db8:aaaa:bbbb:cccc:dddd:255.255.255.255/128", NULL },
	{ "one address", "192.0.2.1", NULL },
	{ "all of IPv4", "0.0.0.0/0", NULL },
	{ "all of IPv6", "::/0", NULL },
	{ "nothing", "", FORM },
	{ "a name", "mx.org.example", FORM },
	{ "three numbers", "10.0.0/8", FORM },
	{ "an octal number", "010.0.0.0/8", FORM },
	{ "a zone", "fe80::%eth0/64", FORM },
	{ "a blank in front", " 10.0.0.0/8", FORM },
	{ "longer than any", "2001:0db8:aaaa:bbbb:cccc:dddd:255.255.255.2555555555555/128", FORM },
	{ "an empty prefix", "10.0.0.0/", "a prefix of 0 to 32 bits is expected" },
	{ "33 bits of IPv4", "10.0.0.0/33", "a prefix of 0 to 32 bits is expected" },
	{ "129 bits of IPv6", "::/129", "a prefix of 0 to 128 bits is expected" },
	{ "a prefix of many digits", "10.0.0.0/4294967304", "a prefix of 0 to 32 bits is expected" },
	{ "a leading zero", "10.0.0.0/08", "a prefix of 0 to 32 bits is expected" },
	{ "a netmask", "10.0.0.0/255.0.0.0", "a prefix of 0 to 32 bits is expected" },
	{ "something behind the prefix", "10.0.0.0/8 ", "a prefix of 0 to 32 bits is expected" },
	{ "two prefixes", "10.0.0.0/8/8", "a prefix of 0 to 32 bits is expected" },
	{ "a bit behind the prefix", "10.0.0.1/8", "an address longer than its prefix of 8 bits" },
	{ "a bit behind an odd prefix", "172.8.0.0/12", "an address longer than its prefix of 12 bits" },
};

struct holding {
	const char *name;
	const char *network;
	const char *address;
	bool holds;
};
static const struct holding holdings[] = {
	{ "the first", "198.51.100.128/25", "198.51.100.128", true },
	{ "the last", "198.51.100.128/25", "198.51.100.255", true },
	{ "the one before", "198.51.100.128/25", "198.51.100.127", false },
	{ "the one behind", "198.51.100.128/25", "198.51.101.0", false },
	{ "itself", "198.51.100.1", "198.51.100.1", true },
	{ "its neighbour", "198.51.100.1", "198.51.100.0", false },
	{ "anything, in all of IPv4", "0.0.0.0/0", "255.255.255.255", true },
	{ "IPv6, in all of IPv4", "0.0.0.0/0", "::", false },
	{ "IPv4, in all of IPv6", "::/0", "0.0.0.0", false },
	{ "the last of IPv6", "2001:db8:8000::/33", "2001:db8:ffff::1", true },
	{ "another of IPv6", "2001:db8:8000::/33", "2001:db8:7fff::1", false },
	{ "itself of IPv6", "2001:db8::1/128", "2001:db8::1", true },
	{ "its neighbour of IPv6", "2001:db8::1/128", "2001:db8::", false },
};
/* clang-format on */

static void
check_address(void **state)
{
	const struct row *row = *state;
	const struct og_ip ip = ip_of(row->address);
	const char *what = og_network_special(&ip);

	assert_int_equal(what != NULL, row->special);
}

static void
check_reading(void **state)
{
	const struct reading *row = *state;
	struct og_network network, before;
	struct og_error err = { "" };

	memset(&network, 0x55, sizeof network);
	before = network;
	if (row->error == NULL) {
		assert_int_equal(
		    og_network_read(row->text, &network, &err), OG_OK);
		return;
	}
	assert_int_equal(og_network_read(row->text, &network, &err), OG_EINPUT);
	assert_string_equal(err.text, row->error);
	assert_memory_equal(&network, &before, sizeof network);
}

static void
check_holding(void **state)
{
	const struct holding *row = *state;
	const struct og_ip ip = ip_of(row->address);
	struct og_network network;
	struct og_error err;

	assert_int_equal(og_network_read(row->network, &network, &err), OG_OK);
	assert_int_equal(og_network_holds(&network, &ip), row->holds);
}

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(addresses) + N_ROWS(readings) +
	    N_ROWS(holdings)];
	struct CMUnitTest *end = ROWS_ADD(tests, addresses, check_address);

	end = ROWS_ADD(end, readings, check_reading);
	end = ROWS_ADD(end, holdings, check_holding);
	assert_int_equal(end - tests, N_ROWS(tests));
	return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
