/* Statements with bound parameters, and rows as JSON, on a real server. */

#include "tests/unit/cluster.h"

#include <errno.h>
#include <string.h>

#include "probes/sessions.h"
#include "probes/sql.h"
#include "watchdog/base/json.h"
#include "watchdog/database/query.h"

static void values_become_parameters(void **state) {
    (void)state;
    static const struct {
        const char *query, *sql, *names; /* sql NULL: refused */
    } cases[] = {
        { "SELECT 1", "SELECT 1", "" },
        { "SELECT * FROM t WHERE a = %{x} AND b = %{y-z} OR c = %{x}",
          "SELECT * FROM t WHERE a = $1 AND b = $2 OR c = $1", "x y-z" },
        { "SELECT '%%{x}', a%%2, %{x}::int", "SELECT '%{x}', a%%2, $1::int", "x" },
        { "SELECT 'it''s' || %{x}", "SELECT 'it''s' || $1", "x" },
        { "SELECT E'it\\'s' || %{x}", "SELECT E'it\\'s' || $1", "x" },
        { "SELECT \"%\" FROM t WHERE b = %{x}", "SELECT \"%\" FROM t WHERE b = $1", "x" },
        { "SELECT $$ it's $$ || %{x}", "SELECT $$ it's $$ || $1", "x" },
        { "SELECT $a$ $$ ' $a$ || %{x}", "SELECT $a$ $$ ' $a$ || $1", "x" },
        { "SELECT 1 /* it's */ + %{x} -- it's", "SELECT 1 /* it's */ + $1 -- it's", "x" },
        { "SELECT '%{x}'", NULL, NULL },
        { "SELECT \"%{x}\"", NULL, NULL },
        { "SELECT $$%{x}$$", NULL, NULL },
        { "SELECT 1 -- %{x}", NULL, NULL },
        { "SELECT %{x", NULL, NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *sql = NULL;
        _cleanup_strings_ char **names = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = sql_statement(cases[i].query, &sql, &names, &err);
        _cleanup_free_ char *joined = names ? strings_join(names, " ") : xstrdup("");
        if (r != (cases[i].sql ? 0 : -EINVAL) || !string_equal(sql, cases[i].sql) ||
            (cases[i].sql && !string_equal(joined, cases[i].names)))
            fail_msg("%s: %d %s [%s]", cases[i].query, r, sql ? sql : error_text(&err), joined);
    }
}

static void only_one_statement_that_reads_is_taken(void **state) {
    (void)state;
    static const struct {
        const char *query, *taken; /* NULL: refused */
    } cases[] = {
        { "SELECT 1;", "SELECT 1" },
        { "  select ';' ; ", "  select ';'" },
        { "WITH a AS (SELECT 1) SELECT * FROM a", "WITH a AS (SELECT 1) SELECT * FROM a" },
        { "/* c */ -- d\n (VALUES (1))", "/* c */ -- d\n (VALUES (1))" },
        { "TABLE t", "TABLE t" },
        { "SELECT 1; DROP TABLE t", NULL },
        { "DELETE FROM t", NULL },
        { "COMMIT", NULL },
        { "SELECTED", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char *query = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = key_query(cases[i].query, &query, &err);
        if (r != (cases[i].taken ? 0 : -EINVAL) || !string_equal(query, cases[i].taken))
            fail_msg("%s: %d %s", cases[i].query, r, query ? query : error_text(&err));
        free(query);
    }
}

static void answers_are_typed(void **state) {
    struct cluster *cluster = *state;
    static const struct {
        const char *sql, *answer; /* NULL: refused */
    } cases[] = {
        { "SELECT count(*) FROM generate_series(1, 7)", "7" },
        { "SELECT 9007199254740993", "9007199254740993" },
        { "SELECT true", "true" },
        { "SELECT 1 = 2", "false" },
        { "SELECT NULL::int", "null" },
        { "SELECT 1.5::numeric", "1.5" },
        { "SELECT 1e100::float8", "1e100" },
        { "SELECT 'NaN'::float8", "\"NaN\"" },
        { "SELECT '{\"a\": [1]}'::jsonb", "{\"a\": [1]}" },
        { "SELECT 'null'::json", "null" },
        { "SELECT DATE '2026-11-23'", "\"2026-11-23\"" },
        { "SELECT 'ü'", "\"ü\"" },
        { "SELECT 1 WHERE false", "[]" },
        { "SELECT 1 AS a, 'x' AS b", "[{\"a\": 1, \"b\": \"x\"}]" },
        { "SELECT n FROM generate_series(1, 2) n", "[{\"n\": 1}, {\"n\": 2}]" },
        { "SELECT 1 AS a, 2 AS a", NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_result_ PGresult *result = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_json_ json_t *rows = json_array();
        cluster_check(server_query(cluster->connection, SOON, &result, &err, cases[i].sql, SQL_NONE), &err);
        int r = sql_rows(result, rows, &err);
        _cleanup_json_ json_t *answer = r == 0 ? sql_answer(rows, PQnfields(result)) : NULL,
                              *expected =
                                  cases[i].answer ? json_loads(cases[i].answer, JSON_DECODE_ANY, NULL) : NULL;
        if ((r == 0) != (expected != NULL) || (expected && !json_equal(answer, expected))) {
            _cleanup_free_ char *text = answer ? json_text(answer) : xstrdup(error_text(&err));
            fail_msg("%s: %s", cases[i].sql, text);
        }
    }
}

static void a_cursor_takes_parameters_and_a_read_only_transaction_refuses_writes(void **state) {
    struct cluster *cluster = *state;
    _cleanup_connection_ PGconn *connection = cluster_connect(cluster, NULL);
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    char sqlstate[6];
    cluster_do(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    cluster_check(server_query_state(connection, SOON, NULL, sqlstate, &err,
                                     "DECLARE c NO SCROLL CURSOR FOR SELECT $1::text AS x WHERE 7 = $2",
                                     SQL_VALUES("a'; DROP", "7")),
                  &err);
    cluster_check(server_query(connection, SOON, &result, &err, "FETCH FORWARD 500 FROM c", SQL_NONE), &err);
    assert_string_equal(sql_text(result, 0, 0), "a'; DROP");
    assert_true(server_query_state(connection, SOON, NULL, sqlstate, &err, "CREATE TABLE t ()", SQL_NONE) <
                0);
    assert_string_equal(sqlstate, "25006");
    assert_true(sql_state_is_fault(sqlstate));
}

static void whose_fault_an_error_is_stands_in_its_state(void **state) {
    (void)state;
    static const char *const faults[] = { "42P01", "42501", "22012", "57014", "25006", "3F000", "22P02" },
                             *const others[] = { "",      "08006", "53300", "53100",
                                                 "57P01", "58030", "XX001", "40001" };
    for (size_t i = 0; i < ELEMENTS(faults); i++)
        assert_true(sql_state_is_fault(faults[i]));
    for (size_t i = 0; i < ELEMENTS(others); i++)
        assert_false(sql_state_is_fault(others[i]));
}

static void sessions_are_told_from_other_processes(void **state) {
    (void)state;
    static const struct {
        const char *title, *address; /* "" none */
    } cases[] = {
        { "postgres: qaid qaid 172.18.0.3(43210) idle", "172.18.0.3" },
        { "postgres: main: qaid qaid 172.18.0.3(43210) SELECT", "172.18.0.3" },
        { "postgres: qaid qaid fd00::3(43210) idle in transaction", "fd00::3" },
        { "postgres: qaid qaid [local] idle", "[local]" },
        { "postgres: checkpointer ", "" },
        { "postgres: logical replication worker for subscription (x)", "" },
        { "/usr/lib/postgresql/15/bin/postgres", "" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        const char *address = "";
        size_t size = session_address(cases[i].title, &address);
        if (size != strlen(cases[i].address) || strncmp(address, cases[i].address, size) != 0)
            fail_msg("%s: %.*s", cases[i].title, (int)size, address);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_parameters),
        cmocka_unit_test(only_one_statement_that_reads_is_taken),
        cmocka_unit_test(answers_are_typed),
        cmocka_unit_test(a_cursor_takes_parameters_and_a_read_only_transaction_refuses_writes),
        cmocka_unit_test(whose_fault_an_error_is_stands_in_its_state),
        cmocka_unit_test(sessions_are_told_from_other_processes),
    };
    return RUN_IN_CLUSTER(tests);
}
