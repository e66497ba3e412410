#pragma once

/*
 * Dumps: pg_dump's custom format, uncompressed by itself (-Z0), in one zstd file. Restored only beside the
 * database, never into it. What one gets wrong: a checksum, `zstd -t` and `pg_restore --list` are all content
 * with a dump that was cut before the compressor; only reading all of it by pg_restore is not.
 */

#include <stdint.h>

#include <jansson.h>

#include "watchdog/base/compressed.h"
#include "watchdog/database/catalog.h"
#include "watchdog/database/fingerprint.h"
#include "watchdog/database/programs.h"

struct dump {
    struct compressed_file file;
    json_t *tables;     /* exact number of rows by "schema.table", of the dump's very moment */
    int server_version; /* 150020 */
    usec_t moment;      /* CLOCK_REALTIME at which its snapshot was taken */
};
void dump_done(struct dump *dump);
#define _cleanup_dump_ __attribute__((cleanup(dump_done)))
json_t *dump_to_json(const struct dump *dump);
int dump_from_json(const json_t *value, struct dump *ret, struct error *err);

/* Called as bytes of the dump itself (uncompressed) come or go; a negative errno ends the work with it. */
struct dump_progress {
    int (*advanced)(void *userdata, uint64_t bytes);
    void *userdata;
};

/* Dumps @database while others use it to the new file @path (0600), fsynced with its directory. The rows of
 * each table are counted in the snapshot that pg_dump is given. Whatever fails, no file is left. @progress
 * may be NULL. */
int dump_write(struct programs *programs, struct server *server, const char *database, const char *path,
               const struct dump_progress *progress, usec_t deadline, struct dump *ret, struct error *err);

/* Reads the whole of it through `pg_restore -f /dev/null`, and compares sizes and SHA-256 with @expected.
 * -EBADMSG when it is damaged, with what. */
int dump_verify(struct programs *programs, struct server *server, const char *path,
                const struct dump *expected, const struct dump_progress *progress, usec_t deadline,
                struct error *err);

/* Restores it to a new database @into with encoding, locale, tablespace and owner of @recorded; compares the
 * number of rows of each table with @expected; dresses it as @recorded; sets the fence, and @mark as its
 * comment: ready for databases_swap(). A database @into that is there is dropped first. During the restore
 * others are kept out by a connection limit and a revoked CONNECT, as far as the server can. When it fails,
 * the database is dropped again. @connection is to the maintenance database. */
int dump_restore(struct programs *programs, struct server *server, PGconn *connection, const char *path,
                 const struct dump *expected, const struct database *recorded, const char *into,
                 const char *mark, const struct dump_progress *progress, usec_t deadline,
                 struct fingerprint *ret, struct error *err);

/* Roles and tablespaces: `pg_dumpall --globals-only`, without password hashes where our role is no superuser,
 * to the new file @path (0600: it holds secrets), fsynced. @ret_sha256 and @ret_bytes may be NULL. */
int globals_write(struct programs *programs, struct server *server, const char *path, usec_t deadline,
                  char ret_sha256[DIGEST_TEXT_SIZE], uint64_t *ret_bytes, struct error *err);
