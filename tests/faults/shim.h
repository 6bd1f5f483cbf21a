/* What the files of the shim share: see shim.c. */
#ifndef DCG_TESTS_FAULTS_SHIM_H
#define DCG_TESTS_FAULTS_SHIM_H

#include <stddef.h>
#include <stdint.h>

enum shim_action { SHIM_NOTHING, SHIM_KILL_BEFORE, SHIM_KILL_AFTER, SHIM_FAIL };
enum { SHIM_NAME = 56, SHIM_NAMES = 512, SHIM_SITES = 1 << 15 };

/* The file that the test and the daemon both map; faults.py has the same in Python. */
struct shim_control {
	uint32_t hold;      /* the worker thread waits before its first step */
	uint32_t holding;
	uint32_t recording; /* names come into the tables */
	uint32_t action;    /* enum shim_action, of the point below */
	uint32_t count;     /* let pass so many of its kind, then do it */
	uint32_t error;     /* errno of SHIM_FAIL */
	uint32_t fired;
	uint32_t names;
	uint64_t site;      /* the allocation to fail, 0: the point is a name */
	uint64_t live;      /* blocks of memory that the program asked for and has not given back */
	char point[SHIM_NAME];
	struct { uint32_t count, pad; char name[SHIM_NAME]; } name[SHIM_NAMES];
	struct { uint64_t site; uint32_t count, pad; } site_table[SHIM_SITES];
};

extern struct shim_control *shim_control; /* NULL: we were loaded for nothing */

/* The call of this name, on something of this kind, is about to be made: what is to become of
 * it. SHIM_FAIL: errno is set. */
enum shim_action shim_point(const char *call, const char *kind);
/* An allocation. */
enum shim_action shim_site(void);
/* A block was given to the code at `caller`; one is given back. */
void shim_given(void *p, void *caller);
void shim_returned(void *p);
void shim_kill(void) __attribute__((noreturn));

/* What a path, or what is open as fd, is to the daemon; NULL: nothing to us. */
const char *shim_path_kind(int at, const char *path);
const char *shim_fd_kind(int fd);

/* The next function of that name. */
void *shim_next(const char *name);

/* What the transaction of this thread is about, "" outside of a commit. */
const char *shim_commit_role(void);

#endif
