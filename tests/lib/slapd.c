/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slapd.c - a real OpenLDAP server for a test.
 */
#include "slapd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLAPD "/usr/sbin/slapd"
#define SLAPADD "/usr/sbin/slapadd"
#define START_MS 20000
#define SCHEMA "ldap-schema/outgate.schema"

/* dir/name */
static void
path_of(const struct slapd *slapd, const char *name, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s", slapd->dir, name);
}

static FILE *
create(const struct slapd *slapd, const char *name)
{
	char path[96];

	path_of(slapd, name, path, sizeof path);
	return fopen(path, "w");
}

static bool
write_text(const struct slapd *slapd, const char *name, const char *text)
{
	FILE *file = create(slapd, name);
	bool ok;

	if (file == NULL)
		return false;
	ok = fputs(text, file) >= 0;
	return fclose(file) == 0 && ok;
}

/*
 * Start a program in the server's folder, its output to the log.  The kernel
 * ends it when the test program dies.
 */
static pid_t
spawn(const struct slapd *slapd, const char *const argv[])
{
	pid_t parent = getpid();
	pid_t pid = fork();
	int log;

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	log = open(slapd->log, O_WRONLY | O_APPEND | O_CREAT, 0600);
	if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 ||
	    chdir(slapd->dir) != 0)
		_exit(127);
	(void)close_range(3, ~0U, 0);
	(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static bool
run(const struct slapd *slapd, const char *const argv[])
{
	pid_t pid = spawn(slapd, argv);
	int status = 0;

	if (pid < 0)
		return false;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return false;
	}
	if (status != 0)
		(void)fprintf(stderr, "%s failed\n", argv[0]);
	return status == 0;
}

/* A CA, and a certificate for the name by which the server is called. */
static bool
make_certificates(const struct slapd *slapd, enum slapd_tls tls)
{
	const char *name = tls == SLAPD_TLS
			       ? "subjectAltName=IP:127.0.0.1"
			       : "subjectAltName=DNS:other.example";
	const char *const ca[] = { "openssl", "req", "-x509", "-newkey", "ec",
		"-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem",
		NULL };
	const char *const leaf[] = { "openssl", "req", "-x509", "-newkey", "ec",
		"-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=test server", "-addext", name, "-addext",
		"basicConstraints=critical,CA:FALSE", "-CA", "ca.pem", "-CAkey",
		"ca.key", "-keyout", "server.key", "-out", "server.pem", NULL };

	return run(slapd, ca) && run(slapd, leaf);
}

static void
write_includes(const struct slapd *slapd, FILE *conf,
    const struct slapd_setup *setup, const char *cwd)
{
	static const char *const schemas[] = { "core", "cosine",
		"inetorgperson" };
	size_t i;

	for (i = 0; i < 3; i++)
		(void)fprintf(
		    conf, "include /etc/ldap/schema/%s.schema\n", schemas[i]);
	if (setup->schema == NULL)
		(void)fprintf(conf, "include \"%s/" SCHEMA "\"\n", cwd);
	else
		(void)fprintf(conf, "include %s/test.schema\n", slapd->dir);
}

static bool
write_conf(const struct slapd *slapd, const struct slapd_setup *setup)
{
	FILE *conf = create(slapd, "slapd.conf");
	char cwd[4096];
	bool ok;

	if (conf == NULL)
		return false;
	if (getcwd(cwd, sizeof cwd) == NULL) {
		(void)fclose(conf);
		return false;
	}
	write_includes(slapd, conf, setup, cwd);
	(void)fprintf(
	    conf, "modulepath /usr/lib/ldap\nmoduleload back_mdb\nthreads 4\n");
	if (setup->tls != SLAPD_NO_TLS)
		(void)fprintf(conf,
		    "TLSCACertificateFile %s/ca.pem\n"
		    "TLSCertificateFile %s/server.pem\n"
		    "TLSCertificateKeyFile %s/server.key\n",
		    slapd->dir, slapd->dir, slapd->dir);
	(void)fprintf(conf,
	    "database mdb\nsuffix dc=example,dc=org\ndirectory %s/db\n"
	    "index objectClass,uid,outgateAddress eq\n%s\n"
	    "access to attrs=userPassword by anonymous auth by * none\n"
	    "access to * by dn.exact=\"gidNumber=%u+uidNumber=%u,"
	    "cn=peercred,cn=external,cn=auth\" read\n"
	    "	by dn.exact=\"" SLAPD_SERVICE "\" read by * none\n",
	    slapd->dir, setup->extra == NULL ? "" : setup->extra,
	    (unsigned)getegid(), (unsigned)geteuid());
	ok = ferror(conf) == 0;
	return fclose(conf) == 0 && ok;
}

/* A port nobody has now; slapd_start tries again if somebody takes it. */
static unsigned
free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned port = 0;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &size) == 0)
		port = ntohs(address.sin_port);
	(void)close(fd);
	return port;
}

void
slapd_ldapi_uri(const char *path, char *uri, size_t size)
{
	size_t n = (size_t)snprintf(uri, size, "ldapi://");

	for (; *path != '\0' && n < size; path++) {
		char one[2] = { *path, '\0' };

		n += (size_t)snprintf(
		    uri + n, size - n, "%s", *path == '/' ? "%2F" : one);
	}
}

static void
name_uris(struct slapd *slapd, const struct slapd_setup *setup)
{
	path_of(slapd, "s", slapd->socket, sizeof slapd->socket);
	slapd_ldapi_uri(slapd->socket, slapd->ldapi, sizeof slapd->ldapi);
	(void)snprintf(slapd->ldap, sizeof slapd->ldap, "ldap://127.0.0.1:%u",
	    free_port());
	if (setup->tls != SLAPD_NO_TLS)
		(void)snprintf(slapd->ldaps, sizeof slapd->ldaps,
		    "ldaps://127.0.0.1:%u", free_port());
}

static bool
accepts(const struct slapd *slapd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	(void)snprintf(
	    address.sun_path, sizeof address.sun_path, "%s", slapd->socket);
	ok = fd >= 0 &&
	     connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
	(void)close(fd);
	return ok;
}

/*
 * Wait until it runs; false when it ends before.  It says that it is starting
 * a moment before it listens, on the Unix socket last.
 */
static bool
is_up(struct slapd *slapd, size_t from)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	int waited_ms;

	for (waited_ms = 0; waited_ms < START_MS; waited_ms += 5) {
		if (slapd_log_count(slapd, from, "slapd starting") > 0 &&
		    accepts(slapd))
			return true;
		if (waitpid(slapd->pid, NULL, WNOHANG) == slapd->pid) {
			slapd->pid = 0;
			return false;
		}
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

static bool
launch(struct slapd *slapd, const struct slapd_setup *setup)
{
	size_t from = slapd_log_size(slapd);
	char uris[384];
	const char *const argv[] = { SLAPD, "-d", "stats", "-f", "slapd.conf",
		"-h", uris, NULL };

	name_uris(slapd, setup);
	(void)snprintf(uris, sizeof uris, "%s %s %s", slapd->ldap, slapd->ldaps,
	    slapd->ldapi);
	slapd->pid = spawn(slapd, argv);
	if (slapd->pid < 0) {
		slapd->pid = 0;
		return false;
	}
	return is_up(slapd, from);
}

static bool
prepare(struct slapd *slapd, const struct slapd_setup *setup)
{
	const char *const argv[] = { SLAPADD, "-q", "-f", "slapd.conf", "-l",
		"data.ldif", NULL };
	char db[96];

	(void)snprintf(
	    slapd->dir, sizeof slapd->dir, "%s", "/tmp/outgate-slapd-XXXXXX");
	if (mkdtemp(slapd->dir) == NULL) {
		slapd->dir[0] = '\0';
		return false;
	}
	path_of(slapd, "log", slapd->log, sizeof slapd->log);
	path_of(slapd, "ca.pem", slapd->ca, sizeof slapd->ca);
	path_of(slapd, "db", db, sizeof db);
	return mkdir(db, 0700) == 0 &&
	       write_text(slapd, "data.ldif", setup->ldif) &&
	       write_text(slapd, "test.schema",
		   setup->schema == NULL ? "" : setup->schema) &&
	       (setup->tls == SLAPD_NO_TLS ||
		   make_certificates(slapd, setup->tls)) &&
	       write_conf(slapd, setup) && run(slapd, argv);
}

static void
show_log(const struct slapd *slapd)
{
	FILE *log = fopen(slapd->log, "r");
	int c;

	if (log == NULL)
		return;
	while ((c = getc(log)) != EOF)
		(void)putc(c, stderr);
	(void)fclose(log);
}

bool
slapd_start(struct slapd *slapd, const struct slapd_setup *setup)
{
	int tries;

	*slapd = (struct slapd){ 0 };
	if (prepare(slapd, setup)) {
		for (tries = 0; tries < 3; tries++) {
			if (launch(slapd, setup))
				return true;
		}
	}
	(void)fprintf(stderr, "slapd did not start\n");
	show_log(slapd);
	slapd_stop(slapd);
	return false;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void
slapd_stop(struct slapd *slapd)
{
	if (slapd->pid > 0) {
		(void)kill(slapd->pid, SIGKILL);
		while (waitpid(slapd->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	if (slapd->dir[0] != '\0')
		(void)nftw(slapd->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	*slapd = (struct slapd){ 0 };
}

size_t
slapd_log_size(const struct slapd *slapd)
{
	struct stat st;

	return stat(slapd->log, &st) == 0 ? (size_t)st.st_size : 0;
}

size_t
slapd_log_count(const struct slapd *slapd, size_t from, const char *text)
{
	FILE *log = fopen(slapd->log, "r");
	char line[4096];
	size_t n = 0;

	if (log == NULL)
		return 0;
	if (fseek(log, (long)from, SEEK_SET) == 0) {
		while (fgets(line, sizeof line, log) != NULL)
			n += strstr(line, text) != NULL;
	}
	(void)fclose(log);
	return n;
}
