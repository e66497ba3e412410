/* Fence, clone and swap on a real server: what stands at the end is what was recorded, whatever happens
 * between. */

#include "tests/unit/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watchdog/base/durable.h"

#include "watchdog/database/clone.h"
#include "watchdog/database/dress.h"
#include "watchdog/database/fence.h"
#include "watchdog/database/names.h"
#include "watchdog/database/prepared.h"
#include "watchdog/database/swap.h"

/* A database with everything that a clone does not inherit. */
static void make_database(struct cluster *cluster, const char *name) {
    static const char *const statements[] = {
        "ALTER DATABASE %1$s CONNECTION LIMIT 17",
        "REVOKE ALL ON DATABASE %1$s FROM PUBLIC",
        "GRANT CONNECT, TEMPORARY ON DATABASE %1$s TO \"Reader's\" WITH GRANT OPTION",
        "GRANT CREATE ON DATABASE %1$s TO boss",
        "SET ROLE \"Reader's\"",
        "GRANT CONNECT ON DATABASE %1$s TO PUBLIC",
        "RESET ROLE",
        "ALTER DATABASE %1$s SET search_path = \"$user\", public, \"a b,c\"",
        "ALTER DATABASE %1$s SET work_mem = '7MB'",
        "ALTER DATABASE %1$s SET app.greeting = 'it''s = \"so\"'",
        "ALTER DATABASE %1$s SET temp_tablespaces = ''",
        "ALTER ROLE \"Reader's\" IN DATABASE %1$s SET statement_timeout = '9s'",
        "COMMENT ON DATABASE %1$s IS 'The owner''s own words'",
    };
    _cleanup_free_ char *quoted = sql_identifier(cluster->connection, name);
    _cleanup_free_ char *create = xasprintf(
        "CREATE DATABASE %s OWNER \"Owner\" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de'", quoted);
    cluster_do(cluster->connection, create);
    for (size_t i = 0; i < ELEMENTS(statements); i++) {
        _cleanup_buffer_ struct buffer sql = { 0 };
        const char *at = strstr(statements[i], "%1$s");
        if (at)
            buffer_printf(&sql, "%.*s%s%s", (int)(at - statements[i]), statements[i], quoted, at + 4);
        else
            buffer_printf(&sql, "%s", statements[i]);
        cluster_do(cluster->connection, sql.text);
    }
    _cleanup_connection_ PGconn *inside = cluster_connect(cluster, name);
    cluster_do(inside, "CREATE TABLE public.t AS SELECT generate_series(1, 1000) AS n");
}

static int setup(void **state) {
    cluster_setup(state);
    struct cluster *cluster = *state;
    cluster_do(cluster->connection, "CREATE ROLE \"Owner\"");
    cluster_do(cluster->connection, "CREATE ROLE \"Reader's\"");
    return 0;
}

static void look(struct cluster *cluster, const char *name, struct database *ret) {
    _cleanup_error_ struct error err = ERROR_NONE;
    cluster_check(database_by_name(cluster->connection, name, SOON, ret, &err), &err);
}

static void fence(struct cluster *cluster, const struct database *database, const char *name, bool standing) {
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct database_identity identity = { database->oid, name };
    cluster_check(fence_set(cluster->connection, &identity, 1, standing, SOON, &err), &err);
    cluster_check(sessions_end(cluster->connection, &database->oid, 1, SOON, &err), &err);
}

static void clone(struct cluster *cluster, const struct database *source, const char *name, const char *mark,
                  struct fingerprint *ret) {
    _cleanup_error_ struct error err = ERROR_NONE;
    cluster_check(clone_create(cluster->connection, source, name, mark, SOON, ret, &err), &err);
}

static char *comment_of(struct cluster *cluster, const char *name) {
    _cleanup_database_ struct database database = { 0 };
    look(cluster, name, &database);
    return database.comment ? xstrdup(database.comment) : NULL;
}

static void a_database_survives_the_record(void **state) {
    struct cluster *cluster = *state;
    _cleanup_database_ struct database database = { 0 }, back = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    make_database(cluster, "recorded");
    look(cluster, "recorded", &database);
    assert_string_equal(database.owner, "Owner");
    assert_string_equal(database.provider, "icu");
    assert_int_equal(database.connection_limit, 17);
    assert_int_equal(database.grants_count, 7);
    assert_int_equal(database.settings_count, 5);
    assert_true(database.has_acl && database.size > 1000000);
    json_t *record = database_to_json(&database);
    cluster_check(database_from_json(record, &back, &err), &err);
    _cleanup_free_ char *difference = database_difference(&database, &back);
    assert_string_equal(difference, "");
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(record, next, key, value) {
        json_t *damaged = json_deep_copy(record);
        _cleanup_database_ struct database none = { 0 };
        json_object_set_new(damaged, key, json_real(1.5));
        assert_int_equal(database_from_json(damaged, &none, &err), -EBADMSG);
        assert_non_null(strstr(err.text, key));
        json_decref(damaged);
    }
    json_decref(record);
}

static void the_whole_way_there_and_back(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_database_ struct database source = { 0 }, after = { 0 };
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    _cleanup_free_ char *mark = database_mark_make(CLUSTER_ID);
    const char *name = "My \"App\"-ümlaut";
    make_database(cluster, name);
    look(cluster, name, &source);
    PGconn *user = cluster_connect(cluster, name);
    fence(cluster, &source, name, true);
    assert_int_equal(server_query(user, SOON, NULL, NULL, "SELECT 1", SQL_NONE), -ECONNRESET);
    PQfinish(user);
    clone(cluster, &source, "the_clone", mark, &fingerprint);
    assert_true(fingerprint.files > 100);
    assert_string_equal(fingerprint.mark, mark);
    PGconn *none = NULL;
    assert_int_equal(server_connect(cluster->server, "the_clone", SOON, &none, NULL), -EPERM);

    /* the release does its damage */
    fence(cluster, &source, name, false);
    user = cluster_connect(cluster, name);
    cluster_do(user, "DROP TABLE public.t");
    PQfinish(user);
    _cleanup_free_ char *quoted = sql_identifier(cluster->connection, name);
    cluster_check(server_execute(cluster->connection, SOON, &err, "ALTER DATABASE %s OWNER TO boss", quoted),
                  &err);
    cluster_check(database_comment(cluster->connection, name, "mine now", SOON, &err), &err);

    const struct swap swap = { &source, source.oid, fingerprint.oid, "put aside" };
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), -EPERM);
    assert_non_null(strstr(err.text, "is not fenced"));
    fence(cluster, &source, name, true);
    assert_int_equal(fingerprint_check(cluster->connection, &fingerprint, SOON, &err), 1);
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), 1);
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), 0);
    look(cluster, name, &after);
    assert_int_equal(after.oid, fingerprint.oid);
    assert_false(after.allows_connections);
    _cleanup_free_ char *difference = database_difference(&source, &after);
    assert_string_equal(difference, "");
    _cleanup_free_ char *aside = comment_of(cluster, "put aside");
    assert_string_equal(aside, "mine now");
    fence(cluster, &after, name, false);
    user = cluster_connect(cluster, name);
    _cleanup_free_ char *count = cluster_sql(user, "SELECT count(*) FROM public.t");
    assert_string_equal(count, "1000");
    PQfinish(user);
    assert_int_equal(database_drop(cluster->connection, source.oid, name, SOON, &err), -EEXIST);
    assert_int_equal(database_drop(cluster->connection, source.oid, "put aside", SOON, &err), 1);
    assert_int_equal(database_drop(cluster->connection, source.oid, "put aside", SOON, &err), 0);
}

static void what_the_catalog_has_as_acl_is_the_same_text(void **state) {
    struct cluster *cluster = *state;
    _cleanup_database_ struct database source = { 0 };
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    make_database(cluster, "acl_source");
    look(cluster, "acl_source", &source);
    fence(cluster, &source, "acl_source", true);
    clone(cluster, &source, "acl_clone", "mark", &fingerprint);
    _cleanup_free_ char *different =
        cluster_sql(cluster->connection,
                    "SELECT a.datacl::text || ' / ' || b.datacl::text FROM pg_database a, pg_database b"
                    " WHERE a.datname = 'acl_source' AND b.datname = 'acl_clone' AND"
                    " (SELECT array_agg(x ORDER BY x::text) FROM unnest(a.datacl) x) IS DISTINCT FROM"
                    " (SELECT array_agg(x ORDER BY x::text) FROM unnest(b.datacl) x)");
    assert_null(different);
    _cleanup_free_ char *settings = cluster_sql(
        cluster->connection,
        "SELECT 'different' FROM pg_db_role_setting a JOIN pg_db_role_setting b USING (setrole)"
        " JOIN pg_database x ON x.oid = a.setdatabase JOIN pg_database y ON y.oid = b.setdatabase"
        " WHERE x.datname = 'acl_source' AND y.datname = 'acl_clone' AND a.setconfig <> b.setconfig");
    assert_null(settings);
}

static void a_plain_database_stays_plain(void **state) {
    struct cluster *cluster = *state;
    _cleanup_database_ struct database source = { 0 }, after = { 0 };
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    cluster_do(cluster->connection, "CREATE DATABASE plain");
    look(cluster, "plain", &source);
    assert_false(source.has_acl);
    fence(cluster, &source, "plain", true);
    clone(cluster, &source, "plain_clone", "a mark", &fingerprint);
    const struct swap swap = { &source, source.oid, fingerprint.oid, "plain_failed" };
    struct database target = { .oid = fingerprint.oid };
    fence(cluster, &target, "plain_clone", false);
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), -EPERM);
    fence(cluster, &target, "plain_clone", true);
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), 1);
    look(cluster, "plain", &after);
    assert_null(after.comment);
    assert_false(after.has_acl);
}

static void an_old_collation_version_is_no_obstacle(void **state) {
    struct cluster *cluster = *state;
    _cleanup_database_ struct database source = { 0 };
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    make_database(cluster, "old_collation");
    cluster_do(cluster->connection,
               "UPDATE pg_database SET datcollversion = '1.0' WHERE datname = 'old_collation'");
    look(cluster, "old_collation", &source);
    assert_string_equal(source.collation_version, "1.0");
    fence(cluster, &source, "old_collation", true);
    clone(cluster, &source, "old_clone", "mark", &fingerprint);
}

/* A cluster of an image whose C library has no versions, run by one that has: each clone gets today's. */
static void a_collation_without_a_version_is_no_obstacle(void **state) {
    struct cluster *cluster = *state;
    _cleanup_database_ struct database source = { 0 };
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    make_database(cluster, "no_collation");
    cluster_do(cluster->connection,
               "UPDATE pg_database SET datcollversion = NULL WHERE datname = 'no_collation'");
    look(cluster, "no_collation", &source);
    assert_null(source.collation_version);
    fence(cluster, &source, "no_collation", true);
    clone(cluster, &source, "no_collation_clone", "mark", &fingerprint);
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct swap swap = { &source, source.oid, fingerprint.oid, "no_collation_failed" };
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), 1);
}

static void a_clone_of_that_name_is_made_again_and_another_source_refused(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_database_ struct database source = { 0 };
    _cleanup_fingerprint_ struct fingerprint first = { 0 }, second = { 0 };
    cluster_do(cluster->connection, "CREATE DATABASE again");
    look(cluster, "again", &source);
    PGconn *user = cluster_connect(cluster, "again");
    /* the server waits five seconds for them to go away */
    assert_int_equal(clone_create(cluster->connection, &source, "again_clone", "m",
                                  deadline_in(300 * USEC_PER_MSEC), &first, &err),
                     -ETIME);
    assert_non_null(strstr(err.text, "CREATE DATABASE"));
    PQfinish(user);
    fence(cluster, &source, "again", true);
    cluster_do(cluster->connection, "CREATE DATABASE again_clone IS_TEMPLATE true");
    clone(cluster, &source, "again_clone", "first", &first);
    clone(cluster, &source, "again_clone", "second", &second);
    assert_int_not_equal(first.oid, second.oid);
    assert_int_equal(fingerprint_check(cluster->connection, &first, SOON, &err), 0);
    assert_int_equal(fingerprint_check(cluster->connection, &second, SOON, &err), 1);
    cluster_do(cluster->connection, "ALTER DATABASE again RENAME TO renamed");
    assert_int_equal(clone_create(cluster->connection, &source, "again_clone", "m", SOON, &first, &err),
                     -EEXIST);
}

static void a_clone_that_was_changed_is_not_taken_for_ours(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_database_ struct database source = { 0 }, copy = { 0 };
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 }, back = { 0 }, first = { 0 };
    cluster_do(cluster->connection, "CREATE DATABASE change");
    look(cluster, "change", &source);
    fence(cluster, &source, "change", true);
    clone(cluster, &source, "change_clone", "mark", &fingerprint);
    json_t *record = fingerprint_to_json(&fingerprint);
    cluster_check(fingerprint_from_json(record, &back, &err), &err);
    assert_int_equal(fingerprint_check(cluster->connection, &back, SOON, &err), 1);
    json_object_set_new(record, "oid", json_integer(0));
    assert_int_equal(fingerprint_from_json(record, &first, &err), -EBADMSG);
    json_decref(record);
    copy.oid = fingerprint.oid;
    fence(cluster, &copy, "change_clone", false);
    PGconn *user = cluster_connect(cluster, "change_clone");
    cluster_do(user, "CREATE TABLE public.x (n int)");
    PQfinish(user);
    assert_int_equal(fingerprint_check(cluster->connection, &fingerprint, SOON, &err), 0);
    assert_non_null(strstr(err.text, "files"));
    cluster_do(cluster->connection, "COMMENT ON DATABASE change_clone IS 'other'");
    assert_int_equal(fingerprint_check(cluster->connection, &fingerprint, SOON, &err), 0);
    assert_non_null(strstr(err.text, "mark"));
}

static void two_databases_are_swapped_together_or_not_at_all(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_database_ struct database one = { 0 }, two = { 0 };
    _cleanup_fingerprint_ struct fingerprint first = { 0 }, second = { 0 };
    cluster_do(cluster->connection, "CREATE DATABASE one");
    cluster_do(cluster->connection, "CREATE DATABASE two");
    look(cluster, "one", &one);
    look(cluster, "two", &two);
    fence(cluster, &one, "one", true);
    fence(cluster, &two, "two", true);
    clone(cluster, &one, "one_clone", "mark", &first);
    clone(cluster, &two, "two_clone", "mark", &second);
    cluster_do(cluster->connection, "CREATE DATABASE two_failed");
    const struct swap swaps[] = { { &one, one.oid, first.oid, "one_failed" },
                                  { &two, two.oid, second.oid, "two_failed" } };
    assert_int_equal(databases_swap(cluster->connection, swaps, 2, SOON, &err), -EEXIST);
    assert_non_null(strstr(err.text, "\"two\""));
    uint32_t oid = 0;
    enum swap_state found;
    cluster_check(database_oid(cluster->connection, "one", SOON, &oid, &err), &err);
    assert_int_equal(oid, one.oid);
    cluster_check(swap_look(cluster->connection, &swaps[1], SOON, &found, NULL, &err), &err);
    assert_int_equal(found, SWAP_ASIDE_FOREIGN);
    cluster_do(cluster->connection, "DROP DATABASE two_failed");
    assert_int_equal(databases_swap(cluster->connection, swaps, 2, SOON, &err), 1);
    cluster_check(database_oid(cluster->connection, "two_failed", SOON, &oid, &err), &err);
    assert_int_equal(oid, two.oid);
}

static void a_release_that_drops_or_renames_its_database_is_rolled_back_too(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_database_ struct database source = { 0 }, made = { 0 };
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    enum swap_state found;
    uint32_t holder = 0, oid = 0;
    cluster_do(cluster->connection, "CREATE DATABASE reset_me");
    look(cluster, "reset_me", &source);
    fence(cluster, &source, "reset_me", true);
    clone(cluster, &source, "reset_clone", "mark", &fingerprint);
    cluster_do(cluster->connection, "DROP DATABASE reset_me");
    struct swap swap = { &source, source.oid, fingerprint.oid, "reset_failed" };
    cluster_check(swap_look(cluster->connection, &swap, SOON, &found, &holder, &err), &err);
    assert_int_equal(found, SWAP_PENDING);
    assert_int_equal(holder, 0);
    cluster_do(cluster->connection, "CREATE DATABASE reset_me");
    cluster_check(swap_look(cluster->connection, &swap, SOON, &found, &holder, &err), &err);
    assert_int_equal(found, SWAP_NAME_FOREIGN);
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), -EEXIST);
    look(cluster, "reset_me", &made);
    assert_int_equal(holder, made.oid);
    swap.current = holder;
    fence(cluster, &made, "reset_me", true);
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), 1);
    cluster_check(database_oid(cluster->connection, "reset_failed", SOON, &oid, &err), &err);
    assert_int_equal(oid, made.oid);
    /* and with the clone gone there is nothing to swap with */
    swap.target = 4000000000u;
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), -ENOENT);
    /* renamed by somebody: it is found by its OID */
    swap.target = made.oid;
    swap.current = fingerprint.oid;
    swap.failed_name = "renamed_failed";
    cluster_do(cluster->connection, "ALTER DATABASE reset_me RENAME TO elsewhere");
    assert_int_equal(databases_swap(cluster->connection, &swap, 1, SOON, &err), 1);
    cluster_check(database_oid(cluster->connection, "renamed_failed", SOON, &oid, &err), &err);
    assert_int_equal(oid, fingerprint.oid);
}

static void a_prepared_transaction_is_named(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_database_ struct database source = { 0 };
    cluster_do(cluster->connection, "CREATE DATABASE prepared");
    look(cluster, "prepared", &source);
    PGconn *user = cluster_connect(cluster, "prepared");
    cluster_do(user, "BEGIN");
    cluster_do(user, "CREATE TABLE public.x (n int)");
    cluster_do(user, "PREPARE TRANSACTION 'left behind'");
    PQfinish(user);
    assert_int_equal(sessions_end(cluster->connection, &source.oid, 1, SOON, &err), -EBUSY);
    assert_non_null(strstr(err.text, "\"left behind\""));
    struct prepared *found = NULL;
    size_t count = 0;
    cluster_check(prepared_find(cluster->connection, &source.oid, 1, SOON, &found, &count, &err), &err);
    assert_int_equal(count, 1);
    assert_string_equal(found[0].gid, "left behind");
    assert_string_equal(found[0].owner, "boss");
    assert_string_equal(found[0].database, "prepared");
    assert_int_equal(found[0].oid, source.oid);
    user = cluster_connect(cluster, "prepared");
    /* one that somebody else has ended meanwhile is no error */
    for (int i = 0; i < 2; i++)
        cluster_check(prepared_commit(user, &found[0], SOON, &err), &err);
    cluster_do(user, "SELECT n FROM public.x");
    PQfinish(user);
    prepared_free(found, count);
    assert_int_equal(sessions_end(cluster->connection, &source.oid, 1, SOON, &err), 0);
}

/* CREATEDB, the owner, and the right to end others' sessions: all that a managed server gives. */
static PGconn *connect_few(struct cluster *cluster, const char *database, struct server **server) {
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct server_way way = { "a socket", cluster->directory, cluster->port, NULL };
    PGconn *connection = NULL;
    server_new(&way, 1, "few", CLUSTER_ID, "postgres", server);
    cluster_check(server_connect(*server, database, SOON, &connection, &err), &err);
    return connection;
}

static void a_role_with_few_rights_does_it_all(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_server_ struct server *server = NULL, *again = NULL;
    _cleanup_database_ struct database source = { 0 };
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    cluster_do(cluster->connection, "CREATE ROLE few LOGIN CREATEDB IN ROLE pg_signal_backend");
    cluster_do(cluster->connection, "CREATE ROLE app_owner LOGIN");
    cluster_do(cluster->connection, "GRANT app_owner TO few");
    cluster_do(cluster->connection, "CREATE DATABASE managed OWNER app_owner");
    cluster_do(cluster->connection, "REVOKE ALL ON DATABASE managed FROM PUBLIC");
    cluster_do(cluster->connection, "ALTER DATABASE managed SET work_mem = '7MB'");
    _cleanup_connection_ PGconn *few = connect_few(cluster, NULL, &server);
    _cleanup_connection_ PGconn *user = cluster_connect(cluster, "managed");
    cluster_do(user, "SET ROLE app_owner");
    cluster_do(user, "CREATE TEMPORARY TABLE x (n int)");
    cluster_check(database_by_name(few, "managed", SOON, &source, &err), &err);
    cluster_do(cluster->connection,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'managed'");
    const struct database_identity identity = { source.oid, "managed" };
    cluster_check(fence_set(few, &identity, 1, true, SOON, &err), &err);
    cluster_check(sessions_end(few, &source.oid, 1, SOON, &err), &err);
    cluster_check(clone_create(few, &source, "managed_clone", "mark", SOON, &fingerprint, &err), &err);
    /* what the release has prepared under the application's role */
    cluster_check(fence_set(few, &identity, 1, false, SOON, &err), &err);
    PGconn *release = cluster_connect(cluster, "managed");
    cluster_do(release, "SET SESSION AUTHORIZATION app_owner");
    cluster_do(release, "BEGIN");
    cluster_do(release, "SELECT 1");
    cluster_do(release, "PREPARE TRANSACTION 'of the release'");
    PQfinish(release);
    struct prepared *found = NULL;
    size_t count = 0;
    cluster_check(prepared_find(few, &source.oid, 1, SOON, &found, &count, &err), &err);
    assert_int_equal(count, 1);
    PGconn *inside = connect_few(cluster, "managed", &again);
    cluster_check(prepared_commit(inside, &found[0], SOON, &err), &err);
    PQfinish(inside);
    prepared_free(found, count);
    cluster_check(fence_set(few, &identity, 1, true, SOON, &err), &err);
    cluster_check(sessions_end(few, &source.oid, 1, SOON, &err), &err);
    const struct swap swap = { &source, source.oid, fingerprint.oid, "managed_failed" };
    assert_int_equal(databases_swap(few, &swap, 1, SOON, &err), 1);
    _cleanup_database_ struct database after = { 0 };
    look(cluster, "managed", &after);
    assert_string_equal(after.owner, "app_owner");
    assert_int_equal(after.settings_count, 1);
}

static void our_own_sessions_are_ended_with_what_they_do(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_connection_ PGconn *ours = cluster_connect(cluster, NULL);
    assert_true(PQsendQuery(ours, "SELECT pg_sleep(60)") == 1);
    while (PQflush(ours) == 1)
        ;
    _cleanup_server_ struct server *server = NULL;
    const struct server_way way = { "a socket", cluster->directory, cluster->port, NULL };
    server_new(&way, 1, "boss", NULL, "postgres", &server);
    _cleanup_connection_ PGconn *other = NULL;
    cluster_check(server_connect(server, NULL, SOON, &other, &err), &err);
    assert_int_equal(sessions_end_ours(cluster->connection, SERVER_APPLICATION, SOON, &err), 1);
    assert_int_equal(sessions_end_ours(cluster->connection, SERVER_APPLICATION, SOON, &err), 0);
    cluster_do(other, "SELECT 1");
}

/* In a child: connects without a pause until it is killed. */
static pid_t hammer(const struct cluster *cluster, const char *database) {
    pid_t child = fork();
    if (child == 0) {
        char parameters[256];
        snprintf(parameters, sizeof(parameters), "host=%s port=%s user=boss dbname=%s", cluster->directory,
                 cluster->port, database);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            PQfinish(PQconnectdb(parameters));
    }
    return child;
}

static void clients_on_their_way_in_do_not_get_through_the_fence(void **state) {
    struct cluster *cluster = *state;
    _cleanup_database_ struct database source = { 0 };
    pid_t clients[3];
    cluster_do(cluster->connection, "CREATE DATABASE busy");
    look(cluster, "busy", &source);
    for (size_t i = 0; i < ELEMENTS(clients); i++)
        clients[i] = hammer(cluster, "busy");
    for (int round = 0; round < 4; round++) {
        _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
        deadline_sleep(SOON, 20 * USEC_PER_MSEC);
        fence(cluster, &source, "busy", true);
        clone(cluster, &source, "busy_clone", "mark", &fingerprint);
        fence(cluster, &source, "busy", false);
    }
    for (size_t i = 0; i < ELEMENTS(clients); i++) {
        kill(clients[i], SIGKILL);
        waitpid(clients[i], NULL, 0);
    }
}

static void a_fence_is_set_by_identity_only(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_database_ struct database a = { 0 }, b = { 0 };
    bool standing;
    cluster_do(cluster->connection, "CREATE DATABASE fence_a");
    cluster_do(cluster->connection, "CREATE DATABASE fence_b");
    look(cluster, "fence_a", &a);
    look(cluster, "fence_b", &b);
    const struct database_identity wrong[] = { { a.oid, "fence_a" }, { b.oid, "fence_c" } };
    assert_int_equal(fence_set(cluster->connection, wrong, 2, true, SOON, &err), -EEXIST);
    cluster_check(fence_read(cluster->connection, a.oid, SOON, &standing, &err), &err);
    assert_false(standing);
    const struct database_identity right[] = { { a.oid, "fence_a" }, { b.oid, "fence_b" } };
    for (int i = 0; i < 2; i++)
        cluster_check(fence_set(cluster->connection, right, 2, true, SOON, &err), &err);
    cluster_check(fence_read(cluster->connection, b.oid, SOON, &standing, &err), &err);
    assert_true(standing);
    cluster_check(fence_set(cluster->connection, right, 2, false, SOON, &err), &err);
    assert_int_equal(fence_read(cluster->connection, 4000000000u, SOON, &standing, &err), -ENOENT);
    _cleanup_strings_ char **sessions = NULL;
    cluster_check(sessions_list(cluster->connection, &a.oid, 1, SOON, &sessions, &err), &err);
    assert_null(sessions);
}

static void what_a_killed_clone_leaves_is_named(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct leftover *leftovers = NULL;
    size_t count = 0;
    _cleanup_free_ char *directory = xasprintf("%s/data/base/99999", cluster->directory),
                        *file = xasprintf("%s/1234", directory);
    cluster_check(leftovers_find(cluster->connection, SOON, &leftovers, &count, &err), &err);
    assert_int_equal(count, 0);
    leftovers_free(leftovers, count);
    assert_int_equal(durable_mkdir(directory, 0755, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, file, "123456789", 9, 0644, NULL), 0);
    cluster_check(leftovers_find(cluster->connection, SOON, &leftovers, &count, &err), &err);
    assert_int_equal(count, 1);
    assert_string_equal(leftovers[0].path, "base/99999");
    assert_int_equal(leftovers[0].size, 9);
    leftovers_free(leftovers, count);
}

static void a_clone_takes_as_long_as_its_size(void **state) {
    (void)state;
    assert_true(clone_predict(0, 0) <= 2 * USEC_PER_SEC);
    assert_int_equal(clone_predict(1000000000, 100000000), 11 * USEC_PER_SEC);
    assert_true(clone_predict(UINT64_MAX / 2, 1) > USEC_PER_DAY);
    assert_int_equal(clone_speed(1000, USEC_PER_SEC), 0);
    assert_int_equal(clone_speed(1000000000, 2 * USEC_PER_SEC), 500000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_database_survives_the_record),
        cmocka_unit_test(the_whole_way_there_and_back),
        cmocka_unit_test(what_the_catalog_has_as_acl_is_the_same_text),
        cmocka_unit_test(a_plain_database_stays_plain),
        cmocka_unit_test(an_old_collation_version_is_no_obstacle),
        cmocka_unit_test(a_collation_without_a_version_is_no_obstacle),
        cmocka_unit_test(a_clone_of_that_name_is_made_again_and_another_source_refused),
        cmocka_unit_test(a_clone_that_was_changed_is_not_taken_for_ours),
        cmocka_unit_test(two_databases_are_swapped_together_or_not_at_all),
        cmocka_unit_test(a_release_that_drops_or_renames_its_database_is_rolled_back_too),
        cmocka_unit_test(a_prepared_transaction_is_named),
        cmocka_unit_test(a_role_with_few_rights_does_it_all),
        cmocka_unit_test(our_own_sessions_are_ended_with_what_they_do),
        cmocka_unit_test(clients_on_their_way_in_do_not_get_through_the_fence),
        cmocka_unit_test(a_fence_is_set_by_identity_only),
        cmocka_unit_test(what_a_killed_clone_leaves_is_named),
        cmocka_unit_test(a_clone_takes_as_long_as_its_size),
    };
    return cmocka_run_group_tests(tests, setup, cluster_teardown);
}
