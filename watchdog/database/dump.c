/* Writing and verifying dumps. See dump.h. */

#include "watchdog/database/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/json.h"
#include "watchdog/database/dump-stream.h"
#include "watchdog/database/statistics.h"

void dump_done(struct dump *dump) {
    json_decref(dump->tables);
    *dump = (struct dump){ 0 };
}

json_t *dump_to_json(const struct dump *dump) {
    json_t *object =
        json_pack("{s:I, s:I, s:s, s:i, s:I, s:O}", "bytes", (json_int_t)dump->file.bytes, "compressed",
                  (json_int_t)dump->file.compressed, "sha256", dump->file.sha256, "server_version",
                  dump->server_version, "moment", (json_int_t)dump->moment, "tables", dump->tables);
    if (!object)
        abort();
    return object;
}

int dump_from_json(const json_t *value, struct dump *ret, struct error *err) {
    const char *sha256 = json_get_string(value, "sha256", "");
    json_int_t bytes = json_get_integer(value, "bytes", -1), moment = json_get_integer(value, "moment", -1),
               compressed = json_get_integer(value, "compressed", -1),
               version = json_get_integer(value, "server_version", -1);
    json_t *tables = json_get_object(value, "tables"), *rows;
    const char *table;
    bool valid = digest_valid(sha256) && bytes >= 0 && compressed >= 0 && moment >= 0 && version >= 0 &&
                 version <= INT32_MAX && tables;
    json_object_foreach(tables, table, rows) valid =
        valid && json_is_integer(rows) && json_integer_value(rows) >= 0;
    if (!valid)
        return error_set(err, EBADMSG,
                         "the description of a dump is not valid, expected bytes, compressed, "
                         "sha256, server_version, moment and tables");
    *ret = (struct dump){ .file = { .bytes = (uint64_t)bytes, .compressed = (uint64_t)compressed },
                          .tables = json_incref(tables),
                          .server_version = (int)version,
                          .moment = (usec_t)moment };
    memcpy(ret->file.sha256, sha256, DIGEST_TEXT_SIZE);
    return 0;
}

static int take_output(void *userdata, const char *data, size_t size) {
    struct dump_stream *stream = userdata;
    int r = compressed_write(stream->writer, data, size, &stream->failure);
    return r < 0 ? r : dump_stream_advanced(stream, size);
}

/* The moment of the dump: its counts and pg_dump's own view are of one snapshot. The counts come first: they
 * leave a lock on each table, so that none can be dropped while pg_dump comes to it. */
static int snapshot_begin(PGconn *connection, usec_t deadline, char **ret_snapshot, struct dump *ret,
                          struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    int r = server_query(connection, deadline, NULL, err, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                         SQL_NONE);
    if (r >= 0)
        r = server_query(connection, deadline, &result, err, "SELECT pg_export_snapshot()", SQL_NONE);
    if (r < 0)
        return r;
    *ret_snapshot = xstrdup(sql_text(result, 0, 0));
    ret->moment = clock_realtime();
    ret->server_version = PQserverVersion(connection);
    return tables_count(connection, deadline, &ret->tables, err);
}

static int write_stream(struct programs *programs, struct server *server, const char *database,
                        const char *snapshot, struct dump_stream *stream, usec_t deadline,
                        struct error *err) {
    _cleanup_strings_ char **arguments = NULL;
    static const char *const options[] = { "--format=custom", "--compress=0", "--no-password",
                                           "--lock-wait-timeout=60000" };
    for (size_t i = 0; i < ELEMENTS(options); i++)
        strings_append(&arguments, options[i]);
    strings_appendf(&arguments, "--snapshot=%s", snapshot);
    const struct program_call io = { .on_output = take_output, .userdata = stream, .deadline = deadline };
    int r = programs_run(programs, server, "pg_dump", arguments, database, &io, err);
    return dump_stream_end(stream, r, err);
}

int dump_write(struct programs *programs, struct server *server, const char *database, const char *path,
               const struct dump_progress *progress, usec_t deadline, struct dump *ret, struct error *err) {
    _cleanup_connection_ PGconn *connection = NULL;
    _cleanup_compressed_writer_ struct compressed_writer *writer = NULL;
    _cleanup_dump_ struct dump dump = { 0 };
    _cleanup_free_ char *snapshot = NULL;
    int r = programs_find(programs, server, deadline, err);
    if (r >= 0)
        r = server_connect(server, database, deadline, &connection, err);
    if (r >= 0)
        r = snapshot_begin(connection, deadline, &snapshot, &dump, err);
    if (r >= 0)
        r = compressed_writer_new(AT_FDCWD, path, 0600, &writer, err);
    if (r >= 0) {
        struct dump_stream stream = { .writer = writer, .progress = progress };
        r = write_stream(programs, server, database, snapshot, &stream, deadline, err);
        if (r >= 0 && stream.bytes == 0)
            r = error_set(err, EPROTO, "pg_dump wrote nothing");
        error_done(&stream.failure);
    }
    if (r >= 0)
        r = compressed_finish(writer, &dump.file, err);
    if (r < 0)
        return error_prefix(err, "cannot dump the database \"%s\"", database);
    *ret = dump;
    dump = (struct dump){ 0 };
    return 0;
}

int dump_verify(struct programs *programs, struct server *server, const char *path,
                const struct dump *expected, const struct dump_progress *progress, usec_t deadline,
                struct error *err) {
    static char *const arguments[] = { "--file=/dev/null", NULL };
    struct stat status;
    if (stat(path, &status) < 0)
        return error_errno(err, errno, "cannot look at the dump \"%s\"", path);
    int r = 0;
    if ((uint64_t)status.st_size != expected->file.compressed)
        r = error_set(err, EBADMSG, "it has %" PRIu64 " bytes, it was written with %" PRIu64,
                      (uint64_t)status.st_size, expected->file.compressed);
    if (r >= 0)
        r = dump_feed(programs, server, path, expected, arguments, NULL, progress, deadline, err);
    /* pg_restore complains of nothing else here: it has no database to be unhappy with */
    if (r == -EREMOTEIO) {
        r = -EBADMSG;
        if (err)
            err->number = EBADMSG;
    }
    return r < 0 ? error_prefix(err, "the dump \"%s\"", path) : 0;
}
