#include "store/schema.h"

#include <stddef.h>

/* The columns of samples and checkpoints; see struct dcg_file_row. */
#define FILE_COLUMNS \
	"	id INTEGER PRIMARY KEY AUTOINCREMENT,\n" \
	"	job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,\n" \
	"	step INTEGER NOT NULL,\n" \
	"	epoch INTEGER NOT NULL,\n" \
	"	name TEXT NOT NULL, -- in the job's folder\n" \
	"	size INTEGER NOT NULL,\n" \
	"	sha256 TEXT NOT NULL,\n" \
	"	created_ms INTEGER NOT NULL,\n"

static const char first[] =
/* AUTOINCREMENT wherever an id is shown to users: the number of something deleted must
 * not come to mean something else. */
"CREATE TABLE jobs (\n"
"	id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
"	state TEXT NOT NULL,\n"
"	name TEXT NOT NULL,\n"
"	dataset TEXT NOT NULL,\n"
"	priority INTEGER NOT NULL, -- higher runs first\n"
"	params TEXT NOT NULL, -- JSON\n"
"	error TEXT,\n"
"	version INTEGER NOT NULL, -- raised by every change\n"
"	epoch INTEGER NOT NULL,\n"
"	step INTEGER NOT NULL,\n"
"	steps_total INTEGER NOT NULL,\n"
"	steps_per_epoch INTEGER NOT NULL,\n"
"	images_per_s REAL,\n"
"	eta_s REAL,\n"
"	loss_d REAL,\n"
"	loss_g REAL,\n"
"	d_real REAL,\n"
"	d_fake REAL,\n"
"	created_ms INTEGER NOT NULL,\n"
"	started_ms INTEGER NOT NULL, -- 0: not yet\n"
"	finished_ms INTEGER NOT NULL,\n"
"	queue_ms INTEGER NOT NULL\n"
") STRICT;\n"
"CREATE INDEX jobs_queue ON jobs(state, priority DESC, queue_ms, id);\n"

/* Later series (store.h) have the numbers that follow; the text of a table is part of the file.
 * No foreign key here: it would be looked up for every point, and millions of points are
 * deleted in pieces after their job (deleted_jobs). */
"CREATE TABLE metrics (\n"
"	job INTEGER NOT NULL,\n"
"	series INTEGER NOT NULL, -- 0 loss_d, 1 loss_g, 2 d_real, 3 d_fake, 4 d_fake_after, 5 images_per_s\n"
"	step INTEGER NOT NULL,\n"
"	value REAL NOT NULL,\n"
"	PRIMARY KEY (job, series, step)\n"
") STRICT, WITHOUT ROWID;\n"
/* What the points of steps 128 * block .. 128 * block + 127 come to, for wide charts. */
"CREATE TABLE metric_blocks (\n"
"	job INTEGER NOT NULL,\n"
"	series INTEGER NOT NULL,\n"
"	block INTEGER NOT NULL,\n"
"	first_step INTEGER NOT NULL,\n"
"	last_step INTEGER NOT NULL,\n"
"	count INTEGER NOT NULL,\n"
"	min_step INTEGER NOT NULL,\n"
"	max_step INTEGER NOT NULL,\n"
"	min REAL NOT NULL,\n"
"	max REAL NOT NULL,\n"
"	last REAL NOT NULL,\n"
"	PRIMARY KEY (job, series, block)\n"
") STRICT, WITHOUT ROWID;\n"
"CREATE TABLE deleted_jobs (\n"
"	id INTEGER PRIMARY KEY -- of a job whose points are still being deleted\n"
") STRICT;\n"

"CREATE TABLE samples (\n"
FILE_COLUMNS
"	UNIQUE (job, step)\n"
") STRICT;\n"
"CREATE INDEX samples_epoch ON samples(job, epoch, step);\n"
"CREATE TABLE checkpoints (\n"
FILE_COLUMNS
"	pinned INTEGER NOT NULL,\n"
"	score REAL, -- lower is better\n"
"	epoch_end INTEGER NOT NULL,\n"
"	UNIQUE (job, step)\n"
") STRICT;\n"
"CREATE INDEX checkpoints_epoch ON checkpoints(job, epoch, step);\n"

/* Events outlive their jobs. Their numbers come from a counter that is rolled back with
 * them and stays when they are pruned: no gap, no number twice. */
"CREATE TABLE events (\n"
"	seq INTEGER PRIMARY KEY,\n"
"	job INTEGER NOT NULL,\n"
"	created_ms INTEGER NOT NULL,\n"
"	type TEXT NOT NULL,\n"
"	data TEXT NOT NULL -- JSON\n"
") STRICT;\n"
"CREATE INDEX events_job ON events(job, seq);\n"
"CREATE TABLE event_counter (\n"
"	only INTEGER PRIMARY KEY CHECK (only = 1),\n"
"	newest INTEGER NOT NULL -- the largest seq given out\n"
") STRICT;\n"
"INSERT INTO event_counter VALUES (1, 0);\n"

"CREATE TABLE log (\n"
"	id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
"	job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,\n"
"	created_ms INTEGER NOT NULL,\n"
"	level TEXT NOT NULL,\n"
"	text TEXT NOT NULL\n"
") STRICT;\n"
"CREATE INDEX log_job ON log(job, id);\n"

"CREATE TABLE datasets (\n"
"	name TEXT PRIMARY KEY,\n"
"	path TEXT NOT NULL,\n"
"	format TEXT NOT NULL,\n"
"	count INTEGER NOT NULL,\n"
"	width INTEGER NOT NULL,\n"
"	height INTEGER NOT NULL,\n"
"	channels INTEGER NOT NULL,\n"
"	classes INTEGER NOT NULL,\n"
"	builtin INTEGER NOT NULL,\n"
"	created_ms INTEGER NOT NULL\n"
") STRICT, WITHOUT ROWID;\n"
;

/* What people write on jobs and checkpoints, and the keys of requests that may come twice. */
static const char second[] =
"ALTER TABLE jobs ADD COLUMN note TEXT NOT NULL DEFAULT '';\n"
"ALTER TABLE jobs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';\n" /* JSON: an array of texts */
"ALTER TABLE checkpoints ADD COLUMN label TEXT NOT NULL DEFAULT '';\n"
/* No foreign key: a key outlives its job, lest the same request make it anew. */
"CREATE TABLE request_keys (\n"
"	key TEXT PRIMARY KEY,\n"
"	request TEXT NOT NULL, -- sha256 of what was asked\n"
"	job INTEGER NOT NULL, -- the answer\n"
"	created_ms INTEGER NOT NULL\n"
") STRICT, WITHOUT ROWID;\n"
"CREATE INDEX request_keys_created ON request_keys(created_ms);\n"
;

/* How often the daemon died while the job was at work, without a checkpoint in between; may it
 * be deleted? */
static const char third[] =
"ALTER TABLE jobs ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;\n"
"ALTER TABLE jobs ADD COLUMN death_step INTEGER NOT NULL DEFAULT -1;\n" /* of the newest checkpoint then; -1: none */
"ALTER TABLE jobs ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;\n"
;

const char *const dcg_schema_steps[] = { first, second, third, NULL };
