/* Getting into a server, and statements with deadlines, on a real one. */

#include "tests/unit/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "watchdog/base/durable.h"

#include "watchdog/database/connection.h"
#include "watchdog/database/facts.h"

static void the_sqlstate_is_found_in_what_libpq_says(void **state) {
    (void)state;
    static const struct {
        const char *message, *sqlstate, *words;
    } cases[] = {
        { "connection to server at \"1.2.3.4\", port 5432 failed: FATAL:  28P01: password authentication "
          "failed "
          "for user \"a\"\nLOCATION:  auth_failed, auth.c:338\n",
          "28P01", "password authentication failed for user \"a\"" },
        { "connection to server at \"x\" failed: FATAL:  28000: first\nconnection to server at \"x\" failed: "
          "SCHWERWIEGEND:  3D000: Datenbank »a« existiert nicht\n",
          "3D000", "Datenbank »a« existiert nicht" },
        { "connection to server on socket \"/x\" failed: Connection refused\n\tIs the server running?\n", "",
          "Connection refused" },
        { "", "", "" },
        { ":  ", "", ":  " },
        { "FATAL:  28P0", "", "FATAL:  28P0" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char sqlstate[6];
        _cleanup_free_ char *words = NULL;
        connection_failure(cases[i].message, sqlstate, &words);
        assert_string_equal(sqlstate, cases[i].sqlstate);
        assert_string_equal(words, cases[i].words);
    }
}

static void a_session_has_what_its_work_needs(void **state) {
    struct cluster *cluster = *state;
    static const char *const expected[][2] = {
        { "SHOW synchronous_commit", "on" },
        { "SHOW search_path", "pg_catalog" },
        { "SHOW row_security", "off" },
        { "SHOW default_transaction_read_only", "off" },
        { "SHOW idle_session_timeout", "0" },
        { "SHOW client_encoding", "UTF8" },
        { "SHOW application_name", "upgrade-watchdog/" CLUSTER_ID },
    };
    cluster_do(cluster->connection, "ALTER ROLE boss SET synchronous_commit = off");
    cluster_do(cluster->connection, "ALTER ROLE boss SET default_transaction_read_only = on");
    cluster_do(cluster->connection, "ALTER ROLE boss SET idle_session_timeout = '1s'");
    cluster_do(cluster->connection, "ALTER DATABASE template1 SET search_path = public");
    _cleanup_connection_ PGconn *connection = cluster_connect(cluster, "template1");
    cluster_do(cluster->connection, "ALTER ROLE boss RESET ALL");
    for (size_t i = 0; i < ELEMENTS(expected); i++) {
        _cleanup_free_ char *value = cluster_sql(connection, expected[i][0]);
        assert_string_equal(value, expected[i][1]);
    }
}

static int try(const struct server_way *ways, size_t count, const char *user, const char *database,
               struct error *err) {
    _cleanup_server_ struct server *server = NULL;
    _cleanup_connection_ PGconn *connection = NULL;
    server_new(ways, count, user, NULL, "postgres", &server);
    return server_connect(server, database, deadline_in(5 * USEC_PER_SEC), &connection, err);
}

static void a_refused_way_leads_to_the_next_and_all_are_told(void **state) {
    struct cluster *cluster = *state;
    cluster_do(cluster->connection, "CREATE ROLE app LOGIN PASSWORD 's3cret-word'");
    const struct server_way ways[] = {
        { "the first way", "127.0.0.1", cluster->port, "wrong-word" },
        { "the second way", "127.0.0.1", cluster->port, NULL },
        { "the third way", "127.0.0.1", "1", "s3cret-word" },
        { "the last way", "127.0.0.1", cluster->port, "s3cret-word" },
    };
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(try(ways, 4, "app", NULL, &err), 0);
    assert_int_equal(try(ways, 3, "app", NULL, &err), -EACCES);
    assert_non_null(strstr(err.text, "the first way: password authentication failed"));
    assert_non_null(strstr(err.text, "the second way: "));
    assert_non_null(strstr(err.text, "the third way: Connection refused"));
    assert_null(strstr(err.text, "word\""));
    assert_null(strstr(err.text, "s3cret"));
    assert_int_equal(try(ways + 2, 1, "app", NULL, &err), -ECONNREFUSED);
    assert_int_equal(try(ways, 0, "app", NULL, &err), -ECONNREFUSED);
    assert_int_equal(try(ways + 3, 1, "app", "nowhere", &err), -ENOENT);
    assert_int_equal(try(ways + 3, 1, "app", "dbname=postgres", &err), -ENOENT);
    cluster_do(cluster->connection, "CREATE DATABASE shut ALLOW_CONNECTIONS false");
    assert_int_equal(try(ways + 3, 1, "app", "shut", &err), -EPERM);
    assert_non_null(strstr(err.text, "not currently accepting connections"));
    cluster_do(cluster->connection, "REVOKE CONNECT ON DATABASE template1 FROM PUBLIC");
    assert_int_equal(try(ways + 3, 1, "app", "template1", &err), -EPERM);
}

static void a_statement_is_cancelled_at_its_deadline(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_connection_ PGconn *connection = cluster_connect(cluster, NULL);
    usec_t begun = clock_boottime();
    assert_int_equal(server_query(connection, deadline_in(200 * USEC_PER_MSEC), NULL, &err,
                                  "SELECT pg_sleep(30)", SQL_NONE),
                     -ETIME);
    assert_true(clock_boottime() - begun < 3 * USEC_PER_SEC);
    assert_non_null(strstr(err.text, "SELECT pg_sleep"));
    _cleanup_free_ char *running =
        cluster_sql(cluster->connection, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%30)' AND "
                                         "state = 'active' AND pid <> pg_backend_pid()");
    assert_string_equal(running, "0");
    assert_int_equal(server_query(connection, 0, NULL, &err, "SELECT 1", SQL_NONE), -ETIME);
}

static void a_server_that_is_stopped_is_a_deadline_too(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_connection_ PGconn *connection = cluster_connect(cluster, NULL);
    _cleanup_free_ char *other = cluster_sql(connection, "SELECT pg_backend_pid()");
    kill(cluster->postmaster.pid, SIGSTOP);
    kill((pid_t)atoi(other), SIGSTOP);
    usec_t begun = clock_boottime();
    int r = server_query(connection, deadline_in(100 * USEC_PER_MSEC), NULL, &err, "SELECT 1", SQL_NONE);
    usec_t took = clock_boottime() - begun;
    PGconn *none = NULL;
    int connected = server_connect(cluster->server, NULL, deadline_in(100 * USEC_PER_MSEC), &none, NULL);
    kill((pid_t)atoi(other), SIGCONT);
    kill(cluster->postmaster.pid, SIGCONT);
    assert_int_equal(r, -ETIME);
    assert_int_equal(connected, -ETIME);
    assert_true(took < 8 * USEC_PER_SEC);
}

static void errors_of_statements_have_their_number_and_words(void **state) {
    struct cluster *cluster = *state;
    static const struct {
        const char *sql;
        int number;
        const char *words;
    } cases[] = {
        { "SELECT", 0, "" },
        { "SELEC 1", EPROTO, "syntax error" },
        { "DROP DATABASE nowhere", ENOENT, "\"nowhere\" does not exist" },
        { "CREATE DATABASE postgres", EEXIST, "already exists" },
        { "CREATE DATABASE x TEMPLATE template0 CONNECTION LIMIT -5", EPROTO, "invalid connection limit" },
        { "DROP DATABASE postgres", EBUSY, "currently open database" },
        { "SELECT * FROM nothing", ENOENT, "nothing" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = server_query(cluster->connection, SOON, NULL, &err, cases[i].sql, SQL_NONE);
        assert_int_equal(r, -cases[i].number);
        if (r < 0)
            assert_non_null(strstr(err.text, cases[i].words));
    }
}

static void a_lost_session_is_said_as_such(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_connection_ PGconn *connection = cluster_connect(cluster, NULL);
    assert_int_equal(
        server_query(connection, SOON, NULL, &err, "SELECT pg_terminate_backend(pg_backend_pid())", SQL_NONE),
        -ECONNRESET);
    assert_int_equal(server_query(connection, SOON, NULL, &err, "SELECT 1", SQL_NONE), -ECONNRESET);
}

static void a_commit_that_rolls_back_is_an_error(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(server_begin(cluster->connection, SOON, NULL), 0);
    assert_int_equal(server_query(cluster->connection, SOON, NULL, NULL, "SELECT 1/0", SQL_NONE), -EPROTO);
    assert_int_equal(server_end(cluster->connection, SOON, 0, &err), -EPROTO);
    assert_int_equal(server_begin(cluster->connection, SOON, NULL), 0);
    assert_int_equal(server_end(cluster->connection, SOON, -EBADMSG, NULL), -EBADMSG);
    assert_int_equal(server_begin(cluster->connection, SOON, NULL), 0);
    assert_int_equal(server_end(cluster->connection, SOON, 7, NULL), 7);
}

static void names_and_texts_are_quoted(void **state) {
    struct cluster *cluster = *state;
    static const char *const names[] = { "plain", "Upper case", "a\"b", "a'b\\c", "ümlaut", "; DROP" };
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        _cleanup_free_ char *identifier = sql_identifier(cluster->connection, names[i]),
                            *literal = sql_literal(cluster->connection, names[i]),
                            *sql = xasprintf("SELECT %s::text AS %s", literal, identifier);
        _cleanup_result_ PGresult *result = NULL;
        assert_int_equal(server_query(cluster->connection, SOON, &result, NULL, sql, SQL_NONE), 0);
        assert_string_equal(PQfname(result, 0), names[i]);
        assert_string_equal(sql_text(result, 0, 0), names[i]);
    }
    _cleanup_free_ char *bad = sql_literal(cluster->connection, "\xff'; SELECT 1; --");
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(server_execute(cluster->connection, SOON, &err, "SELECT %s", bad), -EPROTO);
    assert_non_null(strstr(err.text, "invalid byte sequence"));
}

static void warnings_are_kept_and_not_printed(void **state) {
    struct cluster *cluster = *state;
    _cleanup_connection_ PGconn *connection = cluster_connect(cluster, NULL);
    assert_string_equal(server_notices(connection), "");
    for (int i = 0; i < 300; i++)
        cluster_do(connection, "DO 'BEGIN RAISE WARNING ''look here %'', 42; END'");
    assert_non_null(strstr(server_notices(connection), "look here 42"));
    assert_true(strlen(server_notices(connection)) <= 4096);
}

static void the_facts_are_read_also_with_few_rights(void **state) {
    struct cluster *cluster = *state;
    _cleanup_server_facts_ struct server_facts facts = { 0 }, poor = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    cluster_check(server_facts_read(cluster->connection, SOON, &facts, &err), &err);
    assert_true(facts.is_superuser && facts.may_create_databases && facts.full_page_writes);
    assert_false(facts.fsync || facts.in_recovery);
    assert_string_equal(facts.programs, cluster->binaries);
    assert_true(string_starts_with(facts.data_directory, cluster->directory));
    assert_string_equal(facts.socket_directories[0], cluster->directory);
    assert_true(strlen(facts.system_identifier) > 15);
    assert_true(facts.version_number >= 150000);
    assert_true(facts.started <= clock_realtime() && facts.started + USEC_PER_MINUTE > clock_realtime());
    assert_int_equal(server_checkpoint(cluster->connection, SOON, &err), 1);
    cluster_do(cluster->connection, "CREATE ROLE poor LOGIN");
    _cleanup_server_ struct server *server = NULL;
    const struct server_way way = { "a socket", cluster->directory, cluster->port, NULL };
    server_new(&way, 1, "poor", NULL, "postgres", &server);
    _cleanup_connection_ PGconn *connection = NULL;
    cluster_check(server_connect(server, NULL, SOON, &connection, &err), &err);
    cluster_check(server_facts_read(connection, SOON, &poor, &err), &err);
    assert_string_equal(poor.user, "poor");
    assert_false(poor.is_superuser || poor.may_create_databases);
    assert_null(poor.data_directory);
    assert_null(poor.programs);
    assert_null(poor.socket_directories);
    assert_string_equal(poor.system_identifier, facts.system_identifier);
    assert_int_equal(server_checkpoint(connection, SOON, &err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sqlstate_is_found_in_what_libpq_says),
        cmocka_unit_test(a_session_has_what_its_work_needs),
        cmocka_unit_test(a_refused_way_leads_to_the_next_and_all_are_told),
        cmocka_unit_test(a_statement_is_cancelled_at_its_deadline),
        cmocka_unit_test(a_server_that_is_stopped_is_a_deadline_too),
        cmocka_unit_test(errors_of_statements_have_their_number_and_words),
        cmocka_unit_test(a_lost_session_is_said_as_such),
        cmocka_unit_test(a_commit_that_rolls_back_is_an_error),
        cmocka_unit_test(names_and_texts_are_quoted),
        cmocka_unit_test(warnings_are_kept_and_not_printed),
        cmocka_unit_test(the_facts_are_read_also_with_few_rights),
    };
    return RUN_IN_CLUSTER(tests);
}
