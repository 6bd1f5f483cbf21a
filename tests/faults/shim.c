/* Loaded into the daemon with LD_PRELOAD: calls of the C library and of SQLite pass through
 * here, where each gets a name ("rename checkpoint", "fdatasync wal (submit)"). A test can have
 * the names listed, and have the process killed right before or after the nth call of a name,
 * or that call fail. Nothing in the daemon knows of it. */
#include "tests/faults/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct shim_control *shim_control;
static char state[PATH_MAX]; /* the state folder, absolute */
static size_t state_length;
static int lock;             /* of the tables */
static __thread int inside;  /* our own calls have no names */

static void begin(void)
{
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		;
}

static void end(void)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

void *shim_next(const char *name)
{
	inside++;
	void *f = dlsym(RTLD_NEXT, name);
	inside--;
	return f;
}

void shim_kill(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
	for (;;)
		syscall(SYS_pause);
}

/* The point has come, unless it shall pass some more times. Under the lock. */
static enum shim_action arrive(struct shim_control *c)
{
	if (c->count) {
		c->count--;
		return SHIM_NOTHING;
	}
	enum shim_action action = (enum shim_action)c->action;
	c->action = SHIM_NOTHING;
	c->fired++;
	return action;
}

enum shim_action shim_point(const char *call, const char *kind)
{
	struct shim_control *c = shim_control;
	if (!c || inside || !kind || (!c->recording && (!c->action || c->site)))
		return SHIM_NOTHING;
	int was = errno;
	char name[SHIM_NAME];
	enum shim_action action = SHIM_NOTHING;
	const char *role = shim_commit_role();
	inside++;
	snprintf(name, sizeof name, "%s%s%s%s%s%s", call, *kind ? " " : "", kind, *role ? " (" : "", role, *role ? ")" : "");
	inside--;
	begin();
	if (c->recording) {
		uint32_t i = 0;
		while (i < c->names && strcmp(c->name[i].name, name) != 0)
			i++;
		if (i == c->names && i < SHIM_NAMES) {
			memcpy(c->name[i].name, name, sizeof name);
			__atomic_store_n(&c->names, i + 1, __ATOMIC_RELEASE); /* the test reads at any time */
		}
		if (i < SHIM_NAMES)
			c->name[i].count++;
	}
	if (c->action && !c->site && strcmp(c->point, name) == 0)
		action = arrive(c);
	end();
	if (action == SHIM_KILL_BEFORE)
		shim_kill();
	errno = action == SHIM_FAIL ? (int)c->error : was;
	return action;
}

/* --- Allocations: told apart by the way through the program that led to them ------------------- */

enum { DEPTH = 24, OURS = 4 };

static uintptr_t start_of(void *address)
{
	struct dl_find_object o;
	return _dl_find_object(address, &o) ? 0 : (uintptr_t)o.dlfo_map_start;
}

/* The innermost place and the innermost few in the daemon itself; 0 when there are none of these,
 * or when it is SQLite that asks, whose failing memory has tests of its own. */
static uint64_t site_of(void)
{
	static uintptr_t program, sqlite;
	if (!program) {
		sqlite = start_of(shim_next("sqlite3_step"));
		program = start_of((void *)getauxval(AT_PHDR));
	}
	void *frame[DEPTH];
	uint64_t hash = 1469598103934665603u;
	int n = backtrace(frame, DEPTH), ours = 0;
	for (int i = 3; i < n && ours < OURS; i++) { /* past us and the allocator */
		uintptr_t in = start_of((char *)frame[i] - 1);
		if (in == sqlite && !ours)
			return 0;
		if (in != program && i != 3)
			continue;
		ours += in == program;
		hash = (hash ^ ((uintptr_t)frame[i] - in)) * 1099511628211u;
	}
	return ours ? hash | 1 : 0;
}

enum shim_action shim_site(void)
{
	struct shim_control *c = shim_control;
	if (!c || inside || (!c->recording && (!c->action || !c->site)))
		return SHIM_NOTHING;
	int was = errno;
	enum shim_action action = SHIM_NOTHING;
	inside++;
	uint64_t site = site_of();
	inside--;
	begin();
	if (site && c->recording) {
		uint32_t i = (uint32_t)(site >> 20) % SHIM_SITES;
		while (c->site_table[i].site && c->site_table[i].site != site)
			i = (i + 1) % SHIM_SITES;
		c->site_table[i].site = site;
		c->site_table[i].count++;
	}
	if (site && c->action && c->site == site)
		action = arrive(c);
	end();
	errno = action == SHIM_FAIL ? ENOMEM : was;
	return action;
}

/* --- Memory that is held: what the program asked for itself, or through the C library or cJSON --------------- */

enum { HELD = 1 << 18 };
static uintptr_t held[HELD]; /* by hash, with nothing unused between a block's place and where it is; 0: unused */
static int held_lock;

static uint32_t slot_of(uintptr_t p)
{
	return (uint32_t)((p >> 4) * 2654435761u) % HELD;
}

static int is_counted(void *caller)
{
	static uintptr_t of[3];
	if (!of[2]) {
		of[0] = start_of((void *)getauxval(AT_PHDR));
		of[1] = start_of(shim_next("strdup"));
		of[2] = start_of(shim_next("cJSON_Parse"));
	}
	uintptr_t in = start_of(caller);
	return in && (in == of[0] || in == of[1] || in == of[2]);
}

void shim_given(void *p, void *caller)
{
	if (!p || !shim_control || inside || !is_counted(caller))
		return;
	while (__atomic_exchange_n(&held_lock, 1, __ATOMIC_ACQUIRE))
		;
	uint32_t i = slot_of((uintptr_t)p);
	while (held[i])
		i = (i + 1) % HELD;
	if (shim_control->live < HELD / 2) {
		held[i] = (uintptr_t)p;
		shim_control->live++;
	}
	__atomic_store_n(&held_lock, 0, __ATOMIC_RELEASE);
}

void shim_returned(void *p)
{
	if (!p || !shim_control)
		return;
	while (__atomic_exchange_n(&held_lock, 1, __ATOMIC_ACQUIRE))
		;
	uint32_t i = slot_of((uintptr_t)p);
	while (held[i] && held[i] != (uintptr_t)p)
		i = (i + 1) % HELD;
	if (held[i])
		shim_control->live--;
	for (uint32_t next = i; held[i];) { /* what was put further on because of it moves up */
		do
			next = (next + 1) % HELD;
		while (held[next] && (next - slot_of(held[next])) % HELD < (next - i) % HELD);
		held[i] = held[next];
		i = held[next] ? next : i;
	}
	__atomic_store_n(&held_lock, 0, __ATOMIC_RELEASE);
}

/* --- What things are -------------------------------------------------------------------------- */

static int is_temporary(const char *name)
{
	size_t n = strlen(name);
	return name[0] == '.' && n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

static const char *kind_of(const char *path)
{
	static const struct { const char *name, *kind; } files[] = {
		{ "", "state folder" }, { "/dcgand.db", "database" }, { "/dcgand.db-wal", "wal" }, { "/dcgand.db-shm", "shm" },
		{ "/dcgand.lock", "lock" }, { "/jobs", "jobs folder" }, { "/datasets", "data sets folder" },
		{ "/session.key", "session key" }, { "/dcgand.unsynced", "mark" },
	};
	if (strncmp(path, "socket:", 7) == 0)
		return "socket";
	if (strncmp(path, "pipe:", 5) == 0 || strncmp(path, "anon_inode:", 11) == 0)
		return NULL; /* threads wake each other: that does not fail */
	if (!state_length || strncmp(path, state, state_length) != 0)
		return "elsewhere";
	path += state_length;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (strcmp(path, files[i].name) == 0)
			return files[i].kind;
	const char *name = strrchr(path, '/');
	if (!name)
		return "elsewhere";
	int temporary = is_temporary(name + 1);
	if (strncmp(path, "/.session.key.", 14) == 0)
		return "temporary session key";
	if (strstr(path, ".backup"))
		return temporary ? "temporary backup" : "backup";
	if (strncmp(path, "/datasets/", 10) == 0)
		return temporary ? "temporary prepared" : "prepared";
	if (strcmp(name, "/samples") == 0)
		return "samples folder";
	if (strcmp(name, "/checkpoints") == 0)
		return "checkpoints folder";
	if (strstr(path, "/samples/"))
		return temporary ? "temporary sample" : "sample";
	if (strstr(path, "/checkpoints/"))
		return temporary ? "temporary checkpoint" : "checkpoint";
	return strncmp(path, "/jobs/", 6) == 0 ? "job folder" : "elsewhere";
}

const char *shim_fd_kind(int fd)
{
	char link[40], path[PATH_MAX];
	if (!shim_control || inside || fd < 0 || (!shim_control->recording && !shim_control->action))
		return NULL;
	int was = errno;
	inside++;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	const char *kind = kind_of(path);
	inside--;
	errno = was;
	return kind;
}

const char *shim_path_kind(int at, const char *path)
{
	char link[40], full[2 * PATH_MAX];
	if (!shim_control || inside || !path || (!shim_control->recording && !shim_control->action))
		return NULL;
	if (path[0] == '/' || at == AT_FDCWD)
		return kind_of(path);
	int was = errno;
	inside++;
	snprintf(link, sizeof link, "/proc/self/fd/%d", at);
	ssize_t n = readlink(link, full, PATH_MAX);
	n = n < 0 ? 0 : n;
	snprintf(full + n, sizeof full - (size_t)n, "/%.*s", PATH_MAX - 1, path);
	const char *kind = kind_of(full);
	inside--;
	errno = was;
	return kind;
}

/* --- Beginning ---------------------------------------------------------------------------------- */

static void __attribute__((constructor)) start(void)
{
	const char *path = getenv("DCG_SHIM"), *folder = getenv("DCG_SHIM_STATE");
	void *frame[2];
	if (!path || !folder)
		return;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shim_control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED) {
		perror(path);
		_exit(3);
	}
	snprintf(state, sizeof state, "%s", folder);
	state_length = strlen(state);
	backtrace(frame, 2); /* loads what it needs now */
	shim_control = p;
	shim_control->live = 0;
}
