#pragma once

/*
 * Names of the databases that a transaction makes: `DATABASE_WORD_ID`, with ID's "-" as "_", as in
 * qaid_failed_20261123T031500Z_1f3a. PostgreSQL cuts what is longer than 63 bytes with a NOTICE only, so a
 * long database name is cut here, between two characters of UTF-8, and gets eight digits of its SHA-256, that
 * two long names do not become one.
 */

#define DATABASE_NAME_LIMIT 63 /* NAMEDATALEN - 1 */

/* @word is "clone", "failed", "restored" …; @attempt 0 or 1 adds nothing, 2 on adds `_N`. Owned by the
 * caller.
 */
char *database_name_make(const char *database, const char *word, const char *id, unsigned attempt);

/* A clone's random comment, its mark: "upgrade-watchdog/ID 32 random digits". Owned by the caller. */
char *database_mark_make(const char *id);
