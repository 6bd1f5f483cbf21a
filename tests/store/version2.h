/* What version 2 added to a file of version 1, and a few rows as it wrote them: to be run after
 * version1. Never edited, as no released version's files are. */
#ifndef DCG_TESTS_STORE_VERSION2_H
#define DCG_TESTS_STORE_VERSION2_H

static const char version2[] =
"ALTER TABLE jobs ADD COLUMN note TEXT NOT NULL DEFAULT '';\n"
"ALTER TABLE jobs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';\n"
"ALTER TABLE checkpoints ADD COLUMN label TEXT NOT NULL DEFAULT '';\n"
"CREATE TABLE request_keys (\n"
"\tkey TEXT PRIMARY KEY,\n"
"\trequest TEXT NOT NULL, -- sha256 of what was asked\n"
"\tjob INTEGER NOT NULL, -- the answer\n"
"\tcreated_ms INTEGER NOT NULL\n"
") STRICT, WITHOUT ROWID;\n"
"CREATE INDEX request_keys_created ON request_keys(created_ms);\n"
/* Rows. */
"UPDATE jobs SET note = 'a\nnote', tags = '[\"x\"]' WHERE id = 2;\n"
"UPDATE checkpoints SET label = 'best' WHERE id = 1;\n"
"INSERT INTO request_keys VALUES ('old', 'ee', 2, 1001);\n"
"PRAGMA user_version = 2;\n";

#endif
