/* Roles on a real server: what changed is told without secrets, and put back. */

#include "tests/unit/cluster.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/database/roles.h"

static json_t *read_roles(struct cluster *cluster) {
    _cleanup_error_ struct error err = ERROR_NONE;
    json_t *roles = NULL;
    cluster_check(roles_read(cluster->connection, SOON, &roles, &err), &err);
    return roles;
}

static int told(const json_t *list, const char *sentence) {
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value) if (string_equal(json_string_value(value), sentence)) return 1;
    return 0;
}

/* The roles as they are, without what a new role does not have again. */
static char *comparable(const json_t *roles) {
    _cleanup_json_ json_t *copy = json_deep_copy(roles);
    const char *name;
    json_t *role;
    json_object_foreach(json_object_get(copy, "roles"), name, role) json_object_del(role, "oid");
    return json_dumps(copy, JSON_SORT_KEYS | JSON_COMPACT);
}

static void what_a_release_did_to_roles_is_told_and_put_back(void **state) {
    struct cluster *cluster = *state;
    static const char *const before_statements[] = {
        "CREATE ROLE app LOGIN PASSWORD 'first' CONNECTION LIMIT 5 VALID UNTIL '2030-01-01'",
        "ALTER ROLE app SET search_path = \"$user\", 'a b'",
        "ALTER ROLE app SET work_mem = '3MB'",
        "COMMENT ON ROLE app IS 'the application''s'",
        "CREATE ROLE \"Read only\" NOLOGIN",
        "CREATE ROLE doomed LOGIN BYPASSRLS PASSWORD 'x'",
        "CREATE ROLE renamed",
        "GRANT \"Read only\" TO app WITH ADMIN OPTION",
        "GRANT pg_monitor TO doomed",
    };
    static const char *const release[] = {
        "ALTER ROLE app NOLOGIN SUPERUSER PASSWORD 'second' VALID UNTIL 'infinity'",
        "ALTER ROLE app SET work_mem = '4MB'",
        "ALTER ROLE app SET statement_timeout = '1s'",
        "COMMENT ON ROLE app IS NULL",
        "REVOKE \"Read only\" FROM app",
        "GRANT pg_read_server_files TO app",
        "DROP ROLE doomed",
        "ALTER ROLE renamed RENAME TO otherwise",
        "CREATE ROLE brand_new LOGIN PASSWORD 'third'",
        "GRANT brand_new TO app",
    };
    static const char *const sentences[] = {
        "role \"app\": comment, login, password, settings, superuser, valid until changed",
        "role \"app\": no more a member of \"Read only\"",
        "role \"app\": now a member of \"pg_read_server_files\"",
        "role \"doomed\": dropped",
        "role \"doomed\": no more a member of \"pg_monitor\"",
        "role \"renamed\": renamed to \"otherwise\"",
        "role \"brand_new\": new",
    };
    for (size_t i = 0; i < ELEMENTS(before_statements); i++)
        cluster_do(cluster->connection, before_statements[i]);
    _cleanup_json_ json_t *before = read_roles(cluster), *done = NULL, *again = NULL, *left = NULL;
    for (size_t i = 0; i < ELEMENTS(release); i++)
        cluster_do(cluster->connection, release[i]);

    _cleanup_json_ json_t *after = read_roles(cluster), *difference = roles_difference(before, after);
    _cleanup_free_ char *text = json_dumps(difference, 0);
    for (size_t i = 0; i < ELEMENTS(sentences); i++)
        if (!told(difference, sentences[i]))
            fail_msg("\"%s\" is not in %s", sentences[i], text);
    assert_null(strstr(text, "SCRAM"));

    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(roles_restore(cluster->connection, before, SOON, &done, &err), 1);
    assert_true(json_equal(done, difference));
    assert_int_equal(roles_restore(cluster->connection, before, SOON, &again, &err), 0);
    left = read_roles(cluster);
    _cleanup_json_ json_t *rest = roles_difference(before, left);
    assert_int_equal(json_array_size(rest), 2);
    assert_true(told(rest, "role \"brand_new\": new"));
    assert_true(told(rest, "role \"app\": now a member of \"brand_new\""));
    cluster_do(cluster->connection, "DROP ROLE brand_new");
    _cleanup_json_ json_t *end = read_roles(cluster);
    _cleanup_free_ char *was = comparable(before), *is = comparable(end);
    assert_string_equal(was, is);
}

static void hashes_do_not_get_into_the_servers_log(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    cluster_do(cluster->connection, "CREATE ROLE secret LOGIN PASSWORD 'first'");
    _cleanup_json_ json_t *before = read_roles(cluster);
    cluster_do(cluster->connection, "ALTER ROLE secret PASSWORD 'second'");
    cluster_do(cluster->connection, "SET log_statement = 'all'");
    cluster_do(cluster->connection, "SELECT 'a line that is logged'");
    assert_int_equal(roles_restore(cluster->connection, before, SOON, NULL, &err), 1);
    cluster_do(cluster->connection, "RESET log_statement");
    usec_t deadline = SOON;
    const struct buffer *log = &cluster->postmaster.errors;
    while (!log->text || !strstr(log->text, "RESET log_statement")) {
        assert_int_equal(process_poll(&cluster->postmaster, NULL), 1);
        assert_true(deadline_sleep(deadline, 10 * USEC_PER_MSEC));
    }
    assert_non_null(strstr(log->text, "a line that is logged"));
    assert_null(strstr(log->text, "SCRAM"));
}

static void a_role_with_few_rights_reads_no_hashes(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    cluster_do(cluster->connection, "CREATE ROLE little LOGIN PASSWORD 'x'");
    _cleanup_server_ struct server *server = NULL;
    const struct server_way way = { "a socket", cluster->directory, cluster->port, NULL };
    server_new(&way, 1, "little", NULL, "postgres", &server);
    _cleanup_connection_ PGconn *connection = NULL;
    cluster_check(server_connect(server, NULL, SOON, &connection, &err), &err);
    _cleanup_json_ json_t *poor = NULL, *rich = read_roles(cluster);
    cluster_check(roles_read(connection, SOON, &poor, &err), &err);
    _cleanup_free_ char *text = json_dumps(poor, 0);
    assert_null(strstr(text, "SCRAM"));
    _cleanup_json_ json_t *difference = roles_difference(poor, rich);
    assert_int_equal(json_array_size(difference), 0);
    assert_int_equal(roles_restore(connection, poor, SOON, NULL, &err), 0);
    cluster_do(cluster->connection, "ALTER ROLE little CONNECTION LIMIT 3");
    assert_int_equal(roles_restore(connection, poor, SOON, NULL, &err), -EPERM);
    assert_non_null(strstr(err.text, "\"little\""));
    json_t *none = json_object();
    assert_int_equal(roles_restore(connection, none, SOON, NULL, &err), -EBADMSG);
    json_decref(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_release_did_to_roles_is_told_and_put_back),
        cmocka_unit_test(hashes_do_not_get_into_the_servers_log),
        cmocka_unit_test(a_role_with_few_rights_reads_no_hashes),
    };
    return RUN_IN_CLUSTER(tests);
}
