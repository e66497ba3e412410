/* Dumps on a real server: what is restored is what was there, and no damaged dump is called good. */

#include "tests/unit/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/durable.h"

#include "watchdog/base/json.h"
#include "watchdog/database/dress.h"
#include "watchdog/database/dump.h"
#include "watchdog/database/fence.h"
#include "watchdog/database/swap.h"

struct scene {
    struct cluster cluster;
    struct programs *programs;
    struct dump dump;
    struct database source;
    char *path;
};

static void make_database(struct cluster *cluster) {
    static const char *const statements[] = {
        "CREATE TABLE public.runs (id int PRIMARY KEY, body text)",
        "INSERT INTO public.runs SELECT n, md5(n::text) FROM generate_series(1, 3000) n",
        "CREATE TABLE public.\"Odd \"\"name\"\"\" (n serial)",
        "INSERT INTO public.\"Odd \"\"name\"\"\" DEFAULT VALUES",
        "CREATE TABLE public.empty (n int)",
        "CREATE TABLE public.parted (n int) PARTITION BY RANGE (n)",
        "CREATE TABLE public.part_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (100)",
        "INSERT INTO public.parted SELECT generate_series(1, 42)",
        "CREATE MATERIALIZED VIEW public.stale AS SELECT count(*) FROM public.runs WITH NO DATA",
        "CREATE INDEX ON public.runs (body)",
        "SELECT lo_create(4711)",
    };
    cluster_do(cluster->connection, "CREATE ROLE app LOGIN");
    cluster_do(cluster->connection, "CREATE DATABASE \"the app=1's\" OWNER app TEMPLATE template0"
                                    " LOCALE_PROVIDER icu ICU_LOCALE 'de' CONNECTION LIMIT 9");
    cluster_do(cluster->connection, "ALTER DATABASE \"the app=1's\" SET work_mem = '5MB'");
    cluster_do(cluster->connection, "GRANT CREATE ON DATABASE \"the app=1's\" TO PUBLIC");
    cluster_do(cluster->connection, "COMMENT ON DATABASE \"the app=1's\" IS 'its own'");
    _cleanup_connection_ PGconn *inside = cluster_connect(cluster, "the app=1's");
    for (size_t i = 0; i < ELEMENTS(statements); i++)
        cluster_do(inside, statements[i]);
}

static int setup(void **state) {
    struct scene *scene = *state = xcalloc(1, sizeof(*scene));
    _cleanup_error_ struct error err = ERROR_NONE;
    cluster_start(&scene->cluster);
    make_database(&scene->cluster);
    programs_new_runner(cluster_run, &scene->cluster, &scene->programs);
    scene->path = xasprintf("%s/dump.zst", scene->cluster.directory);
    cluster_check(database_by_name(scene->cluster.connection, "the app=1's", SOON, &scene->source, &err),
                  &err);
    cluster_check(dump_write(scene->programs, scene->cluster.server, "the app=1's", scene->path, NULL, SOON,
                             &scene->dump, &err),
                  &err);
    return 0;
}

static int teardown(void **state) {
    struct scene *scene = *state;
    dump_done(&scene->dump);
    database_done(&scene->source);
    programs_free(scene->programs);
    free(scene->path);
    cluster_stop(&scene->cluster);
    free(scene);
    return 0;
}

static int verify(struct scene *scene, const char *path, const struct dump *expected, struct error *err) {
    return dump_verify(scene->programs, scene->cluster.server, path, expected, NULL, SOON, err);
}

static void a_dump_says_what_is_in_it(void **state) {
    struct scene *scene = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct stat status;
    assert_int_equal(stat(scene->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_size, scene->dump.file.compressed);
    assert_int_equal(json_get_integer(scene->dump.tables, "public.runs", -1), 3000);
    assert_int_equal(json_get_integer(scene->dump.tables, "public.\"Odd \"\"name\"\"\"", -1), 1);
    assert_int_equal(json_get_integer(scene->dump.tables, "public.empty", -1), 0);
    assert_int_equal(json_get_integer(scene->dump.tables, "public.part_1", -1), 42);
    assert_int_equal(json_get_integer(scene->dump.tables, "pg_catalog.pg_largeobject_metadata", -1), 1);
    assert_int_equal(json_object_size(scene->dump.tables), 5);
    cluster_check(verify(scene, scene->path, &scene->dump, &err), &err);
    json_t *record = dump_to_json(&scene->dump);
    _cleanup_dump_ struct dump back = { 0 };
    cluster_check(dump_from_json(record, &back, &err), &err);
    cluster_check(verify(scene, scene->path, &back, &err), &err);
    json_object_set_new(record, "sha256", json_string("none"));
    struct dump none = { 0 };
    assert_int_equal(dump_from_json(record, &none, &err), -EBADMSG);
    json_decref(record);
}

static void wait_until(struct cluster *cluster, const char *database, const char *condition) {
    _cleanup_connection_ PGconn *connection = cluster_connect(cluster, database);
    usec_t deadline = deadline_in(30 * USEC_PER_SEC);
    for (bool met = false; !met;) {
        _cleanup_free_ char *answer = cluster_sql(connection, condition);
        met = answer[0] == 't';
        assert_true(met || deadline_sleep(deadline, 10 * USEC_PER_MSEC));
    }
}

static void the_counts_are_of_the_dumps_moment(void **state) {
    struct scene *scene = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_dump_ struct dump dump = { 0 };
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    _cleanup_free_ char *path = xasprintf("%s/moving.zst", scene->cluster.directory);
    /* a client that writes all the while */
    _cleanup_connection_ PGconn *client = cluster_connect(&scene->cluster, "the app=1's");
    cluster_do(client, "CREATE PROCEDURE public.w() LANGUAGE plpgsql AS 'BEGIN LOOP INSERT INTO public.empty "
                       "SELECT 1; COMMIT; PERFORM pg_sleep(0.001); END LOOP; END'");
    assert_true(PQsendQuery(client, "CALL public.w()"));
    while (PQflush(client) == 1)
        ;
    wait_until(&scene->cluster, "the app=1's", "SELECT count(*) > 0 FROM public.empty");
    cluster_check(
        dump_write(scene->programs, scene->cluster.server, "the app=1's", path, NULL, SOON, &dump, &err),
        &err);
    cluster_check(sessions_end(scene->cluster.connection, &scene->source.oid, 1, SOON, &err), &err);
    assert_true(json_get_integer(dump.tables, "public.empty", 0) > 0);
    cluster_check(dump_restore(scene->programs, scene->cluster.server, scene->cluster.connection, path, &dump,
                               &scene->source, "moving", "mark", NULL, SOON, &fingerprint, &err),
                  &err);
    assert_int_equal(database_drop(scene->cluster.connection, fingerprint.oid, "moving", SOON, &err), 1);
}

static void a_restored_dump_takes_the_databases_place(void **state) {
    struct scene *scene = *state;
    struct cluster *cluster = &scene->cluster;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    _cleanup_database_ struct database after = { 0 };
    cluster_do(cluster->connection, "CREATE DATABASE restored");
    cluster_check(dump_restore(scene->programs, cluster->server, cluster->connection, scene->path,
                               &scene->dump, &scene->source, "restored", "mark", NULL, SOON, &fingerprint,
                               &err),
                  &err);
    assert_string_equal(fingerprint.mark, "mark");
    const struct database_identity identity = { scene->source.oid, "the app=1's" };
    cluster_check(fence_set(cluster->connection, &identity, 1, true, SOON, &err), &err);
    cluster_check(sessions_end(cluster->connection, &identity.oid, 1, SOON, &err), &err);
    const struct swap swap = { &scene->source, scene->source.oid, fingerprint.oid, "failed" };
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), 1);
    cluster_check(database_by_name(cluster->connection, "the app=1's", SOON, &after, &err), &err);
    _cleanup_free_ char *difference = database_difference(&scene->source, &after);
    assert_string_equal(difference, "");
    assert_false(after.allows_connections);
    /* and back, for the other tests */
    const struct database_identity now = { fingerprint.oid, "the app=1's" };
    const struct swap back = { &scene->source, fingerprint.oid, scene->source.oid, "restored" };
    assert_int_equal(databases_swap(cluster->connection, &back, 1, SOON, &err), 1);
    cluster_check(fence_set(cluster->connection, &identity, 1, false, SOON, &err), &err);
    assert_int_equal(database_drop(cluster->connection, now.oid, "restored", SOON, &err), 1);
}

/* As on a managed server: no superuser, but the database's owner with CREATEDB. */
static void a_dump_is_restored_by_a_role_with_few_rights(void **state) {
    struct scene *scene = *state;
    struct cluster *cluster = &scene->cluster;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    _cleanup_server_ struct server *server = NULL;
    _cleanup_connection_ PGconn *few = NULL;
    const struct server_way way = { "a socket", cluster->directory, cluster->port, NULL };
    cluster_do(cluster->connection, "CREATE ROLE few LOGIN CREATEDB IN ROLE pg_signal_backend");
    cluster_do(cluster->connection, "GRANT app TO few");
    server_new(&way, 1, "few", CLUSTER_ID, "postgres", &server);
    cluster_check(server_connect(server, NULL, SOON, &few, &err), &err);
    _cleanup_database_ struct database source = { 0 };
    _cleanup_dump_ struct dump dump = { 0 };
    _cleanup_free_ char *path = xasprintf("%s/few.zst", cluster->directory);
    cluster_do(few, "CREATE DATABASE few OWNER app");
    _cleanup_connection_ PGconn *own = NULL;
    cluster_check(server_connect(server, "few", SOON, &own, &err), &err);
    cluster_do(own, "SET ROLE app");
    cluster_do(own, "CREATE TABLE public.t AS SELECT generate_series(1, 42) AS n");
    PQfinish(take_ptr(own));
    cluster_check(database_by_name(few, "few", SOON, &source, &err), &err);
    cluster_check(dump_write(scene->programs, server, "few", path, NULL, SOON, &dump, &err), &err);
    cluster_check(dump_restore(scene->programs, server, few, path, &dump, &source, "few_back", "mark", NULL,
                               SOON, &fingerprint, &err),
                  &err);
    assert_string_equal(fingerprint.mark, "mark");
    assert_int_equal(json_get_integer(dump.tables, "public.t", -1), 42);
}

static char *unpack(const char *path, size_t size) {
    _cleanup_compressed_reader_ struct compressed_reader *reader = NULL;
    char *data = xcalloc(size, 1);
    assert_int_equal(compressed_reader_new(AT_FDCWD, path, &reader, NULL), 0);
    for (size_t at = 0; at < size;) {
        ssize_t got = compressed_read(reader, data + at, size - at, NULL);
        assert_true(got > 0);
        at += (size_t)got;
    }
    return data;
}

static void pack(const char *path, const char *data, size_t size, struct compressed_file *ret) {
    _cleanup_compressed_writer_ struct compressed_writer *writer = NULL;
    unlink(path);
    assert_int_equal(compressed_writer_new(AT_FDCWD, path, 0600, &writer, NULL), 0);
    assert_int_equal(compressed_write(writer, data, size, NULL), 0);
    assert_int_equal(compressed_finish(writer, ret, NULL), 0);
}

/* Its checksum is right then: only reading all of it can tell. */
static void a_dump_cut_before_the_compressor_is_caught(void **state) {
    struct scene *scene = *state;
    size_t size = scene->dump.file.bytes;
    _cleanup_free_ char *data = unpack(scene->path, size);
    _cleanup_free_ char *path = xasprintf("%s/cut.zst", scene->cluster.directory);
    for (size_t i = 0; i < 40; i++) {
        /* many of them near the end, where the last blocks lie */
        size_t cut = i < 20 ? 1 + i : size * (i - 19) / 22 + i;
        struct dump expected = scene->dump;
        _cleanup_error_ struct error err = ERROR_NONE;
        pack(path, data, i < 20 ? size - cut : cut, &expected.file);
        if (verify(scene, path, &expected, &err) != -EBADMSG)
            fail_msg("cut %s %zu of %zu: %s", i < 20 ? "by" : "at", cut, size, error_text(&err));
    }
    struct dump whole = scene->dump;
    pack(path, data, size, &whole.file);
    assert_int_equal(verify(scene, path, &whole, NULL), 0);
}

static void a_dump_cut_or_changed_on_disk_is_caught(void **state) {
    struct scene *scene = *state;
    _cleanup_free_ char *data = NULL, *path = xasprintf("%s/damaged.zst", scene->cluster.directory);
    size_t size;
    assert_int_equal(file_read(AT_FDCWD, scene->path, 1 << 24, &data, &size, NULL), 0);
    for (size_t i = 0; i < 20; i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        size_t at = i < 4 ? i : i < 8 ? size - 1 - (i - 4) : size * (i - 7) / 14;
        assert_int_equal(durable_write(AT_FDCWD, path, data, at, 0600, NULL), 0);
        assert_int_equal(verify(scene, path, &scene->dump, &err), -EBADMSG);
        data[at] = (char)(data[at] ^ 1);
        assert_int_equal(durable_write(AT_FDCWD, path, data, size, 0600, NULL), 0);
        assert_int_equal(verify(scene, path, &scene->dump, &err), -EBADMSG);
        assert_non_null(strstr(err.text, path));
        data[at] = (char)(data[at] ^ 1);
    }
    assert_int_equal(verify(scene, "/nowhere/dump", &scene->dump, NULL), -ENOENT);
}

static int stop_soon(void *userdata, uint64_t bytes) {
    uint64_t *last = userdata;
    assert_true(bytes > *last);
    *last = bytes;
    return bytes > 1000 ? -ECANCELED : 0;
}

static void a_dump_that_fails_leaves_no_file(void **state) {
    struct scene *scene = *state;
    struct server *server = scene->cluster.server;
    _cleanup_free_ char *path = xasprintf("%s/new.zst", scene->cluster.directory);
    _cleanup_dump_ struct dump dump = { 0 };
    uint64_t last = 0;
    const struct dump_progress progress = { stop_soon, &last };
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(dump_write(scene->programs, server, "the app=1's", path, &progress, SOON, &dump, &err),
                     -ECANCELED);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(dump_write(scene->programs, server, "nowhere", path, NULL, SOON, &dump, &err), -ENOENT);
    assert_non_null(strstr(err.text, "\"nowhere\""));
    assert_int_equal(dump_write(scene->programs, server, "the app=1's", scene->path, NULL, SOON, &dump, &err),
                     -EEXIST);
    cluster_check(verify(scene, scene->path, &scene->dump, &err), &err);
    assert_int_equal(
        dump_write(scene->programs, server, "the app=1's", "/dev/full/x", NULL, SOON, &dump, &err), -ENOTDIR);
}

static void a_restore_that_is_not_complete_leaves_no_database(void **state) {
    struct scene *scene = *state;
    struct cluster *cluster = &scene->cluster;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct fingerprint none = { 0 };
    struct dump expected = scene->dump;
    uint32_t oid;
    expected.tables = json_deep_copy(scene->dump.tables);
    json_object_set_new(expected.tables, "public.runs", json_integer(3001));
    assert_int_equal(dump_restore(scene->programs, cluster->server, cluster->connection, scene->path,
                                  &expected, &scene->source, "short", "mark", NULL, SOON, &none, &err),
                     -EBADMSG);
    assert_non_null(strstr(err.text, "public.runs has 3000 rows after the restore, it had 3001"));
    assert_int_equal(database_oid(cluster->connection, "short", SOON, &oid, NULL), -ENOENT);
    json_decref(expected.tables);
    /* a table that cannot be made: pg_restore's own words are told */
    expected = scene->dump;
    struct database other = scene->source;
    other.encoding = (char *)(uintptr_t) "LATIN1";
    other.provider = (char *)(uintptr_t) "libc";
    other.collate = other.ctype = (char *)(uintptr_t) "C";
    other.locale = NULL;
    size_t size = scene->dump.file.bytes;
    _cleanup_free_ char *data = unpack(scene->path, size),
                        *path = xasprintf("%s/bad.zst", cluster->directory);
    char *name = memmem(data, size, "CREATE INDEX", 12);
    assert_non_null(name);
    memcpy(name, "CREATE UNDEX", 12);
    pack(path, data, size, &expected.file);
    assert_int_equal(dump_restore(scene->programs, cluster->server, cluster->connection, path, &expected,
                                  &other, "short", "mark", NULL, SOON, &none, &err),
                     -EREMOTEIO);
    assert_non_null(strstr(err.text, "syntax error"));
    assert_int_equal(database_oid(cluster->connection, "short", SOON, &oid, NULL), -ENOENT);
}

static void roles_are_written_to_a_file_of_our_own(void **state) {
    struct scene *scene = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *path = xasprintf("%s/globals.sql", scene->cluster.directory), *text = NULL;
    char sha256[DIGEST_TEXT_SIZE], found[DIGEST_TEXT_SIZE];
    uint64_t bytes;
    size_t size;
    struct stat status;
    cluster_check(globals_write(scene->programs, scene->cluster.server, path, SOON, sha256, &bytes, &err),
                  &err);
    assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &text, &size, NULL), 0);
    assert_int_equal(size, bytes);
    assert_string_equal(digest_memory(text, size, found), sha256);
    assert_non_null(strstr(text, "CREATE ROLE app;"));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dump_says_what_is_in_it),
        cmocka_unit_test(the_counts_are_of_the_dumps_moment),
        cmocka_unit_test(a_restored_dump_takes_the_databases_place),
        cmocka_unit_test(a_dump_is_restored_by_a_role_with_few_rights),
        cmocka_unit_test(a_dump_cut_before_the_compressor_is_caught),
        cmocka_unit_test(a_dump_cut_or_changed_on_disk_is_caught),
        cmocka_unit_test(a_dump_that_fails_leaves_no_file),
        cmocka_unit_test(a_restore_that_is_not_complete_leaves_no_database),
        cmocka_unit_test(roles_are_written_to_a_file_of_our_own),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
