/* Findings about a real server: each is seen good and bad. */

#include "tests/unit/cluster.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/database/preconditions.h"
#include "watchdog/docker/container.h"

#define GIB ((uint64_t)1 << 30)

static const struct finding *find(const struct finding *findings, size_t count, const char *name) {
    const struct finding *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (string_equal(findings[i].name, name) && (!found || !findings[i].ok))
            found = &findings[i];
    if (!found)
        fail_msg("there is no finding \"%s\"", name);
    return found;
}

/* Checks the one finding: as @expected, "ok", "advisory" or "refused", with @words in its sentence. */
static void expect(struct cluster *cluster, struct server *server, const char *name, const char *expected,
                   const char *words) {
    _cleanup_error_ struct error err = ERROR_NONE;
    char *const names[] = { (char *)(uintptr_t) "app", NULL };
    char *const addresses[] = { (char *)(uintptr_t) "10.9.8.7", NULL };
    struct finding *findings = NULL;
    size_t count = 0;
    cluster_check(preconditions_look(server ? server : cluster->server, names, addresses, GIB, SOON,
                                     &findings, &count, &err),
                  &err);
    const struct finding *finding = find(findings, count, name);
    const char *result = finding->ok ? "ok" : finding->advisory ? "advisory" : "refused";
    if (!string_equal(result, expected) || !strstr(finding->sentence, words))
        fail_msg("%s: %s: %s (expected %s: %s)", name, result, finding->sentence, expected, words);
    assert_true(finding->ok == !*finding->cure);
    findings_free(findings, count);
}

static int setup(void **state) {
    cluster_setup(state);
    struct cluster *cluster = *state;
    cluster_do(cluster->connection, "CREATE ROLE little LOGIN");
    cluster_do(cluster->connection, "CREATE DATABASE app");
    return 0;
}

static void a_plain_server_is_fine_but_for_its_fsync(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    char *const names[] = { (char *)(uintptr_t) "app", NULL };
    struct finding *findings = NULL;
    size_t count = 0;
    cluster_check(preconditions_look(cluster->server, names, NULL, GIB, SOON, &findings, &count, &err), &err);
    assert_true(count > 12);
    for (size_t i = 0; i < count; i++)
        if (findings[i].ok == string_equal(findings[i].name, "database-fsync"))
            fail_msg("%s: %s", findings[i].name, findings[i].sentence);
    findings_free(findings, count);
}

static void a_missing_database_is_a_finding(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    char *const names[] = { (char *)(uintptr_t) "app", (char *)(uintptr_t) "nowhere", NULL };
    struct finding *findings = NULL;
    size_t count = 0;
    cluster_check(preconditions_look(cluster->server, names, NULL, 1000, SOON, &findings, &count, &err),
                  &err);
    assert_false(find(findings, count, "database-exists")->ok);
    assert_non_null(strstr(find(findings, count, "database-exists")->sentence, "\"nowhere\""));
    assert_false(find(findings, count, "database-room")->ok);
    assert_false(find(findings, count, "database-room")->advisory);
    findings_free(findings, count);
}

static void what_cannot_be_cloned_is_refused(void **state) {
    struct cluster *cluster = *state;
    _cleanup_connection_ PGconn *inside = cluster_connect(cluster, "app");
    cluster_do(inside, "BEGIN");
    cluster_do(inside, "CREATE TABLE public.x (n int)");
    cluster_do(inside, "PREPARE TRANSACTION 'in the way'");
    expect(cluster, NULL, "database-prepared", "refused", "in the way in app");
    cluster_do(inside, "ROLLBACK PREPARED 'in the way'");
    expect(cluster, NULL, "database-prepared", "ok", "");
    cluster_do(inside, "SELECT pg_create_logical_replication_slot('a_slot', 'test_decoding')");
    expect(cluster, NULL, "database-slots", "refused", "a_slot in app");
    cluster_do(inside, "SELECT pg_drop_replication_slot('a_slot')");
    cluster_do(inside,
               "CREATE SUBSCRIPTION sub CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)");
    expect(cluster, NULL, "database-subscriptions", "refused", "sub in app");
    cluster_do(inside, "ALTER SUBSCRIPTION sub SET (slot_name = NONE)");
    cluster_do(inside, "DROP SUBSCRIPTION sub");
    cluster_do(cluster->connection, "ALTER DATABASE app ALLOW_CONNECTIONS false");
    expect(cluster, NULL, "database-open", "refused", "app");
    cluster_do(cluster->connection, "ALTER DATABASE app ALLOW_CONNECTIONS true");
}

static void few_rights_are_named(void **state) {
    struct cluster *cluster = *state;
    _cleanup_server_ struct server *server = NULL;
    const struct server_way way = { "a socket", cluster->directory, cluster->port, NULL };
    server_new(&way, 1, "little", NULL, "postgres", &server);
    expect(cluster, server, "database-rights", "refused", "may not create databases");
    expect(cluster, server, "database-rights", "refused", "does not own app");
    expect(cluster, server, "database-sessions-rights", "refused", "little");
    expect(cluster, server, "database-leftovers", "ok", "");
    cluster_do(cluster->connection, "ALTER ROLE little CREATEDB");
    cluster_do(cluster->connection, "ALTER DATABASE app OWNER TO little");
    cluster_do(cluster->connection, "GRANT pg_signal_backend TO little");
    expect(cluster, server, "database-rights", "ok", "owns all");
    expect(cluster, server, "database-sessions-rights", "ok", "");
    /* whose sessions there are it does not see: that is not "nobody" */
    expect(cluster, server, "database-sessions", "advisory", "not known");
    cluster_do(cluster->connection, "GRANT pg_read_all_stats TO little");
    expect(cluster, server, "database-sessions", "ok", "nobody but");
    /* a right that is there to be taken only by SET ROLE is none to the server */
    cluster_do(cluster->connection, "ALTER ROLE little NOINHERIT");
    expect(cluster, server, "database-sessions-rights", "refused", "little");
    cluster_do(cluster->connection, "ALTER ROLE little INHERIT");
    cluster_do(cluster->connection, "ALTER DATABASE app OWNER TO boss");
}

static void strangers_in_the_database_are_named(void **state) {
    struct cluster *cluster = *state;
    cluster_do(cluster->connection, "ALTER SYSTEM SET listen_addresses = '127.0.0.1'");
    cluster_do(cluster->connection, "ALTER ROLE little PASSWORD 'x'");
    expect(cluster, NULL, "database-sessions", "ok", "");
    _cleanup_connection_ PGconn *stranger = NULL;
    _cleanup_free_ char *parameters = xasprintf(
        "host=127.0.0.1 port=%s user=little password=x dbname=app application_name=cron", cluster->port);
    stranger = PQconnectdb(parameters);
    assert_int_equal(PQstatus(stranger), CONNECTION_OK);
    /* from 127.0.0.1 it is somebody inside the database's own container */
    expect(cluster, NULL, "database-sessions", "ok", "");
}

static void addresses_are_those_of_all_networks(void **state) {
    (void)state;
    struct container containers[2] = {
        { .inspect = json_pack("{s:{s:{s:{s:s, s:s}, s:{s:s}}}}", "NetworkSettings", "Networks", "front",
                               "IPAddress", "172.18.0.2", "GlobalIPv6Address", "fd00::2", "back", "IPAddress",
                               "172.19.0.2") },
        { .inspect = json_pack("{s:{s:{s:{s:s}}}}", "NetworkSettings", "Networks", "back", "IPAddress", "") },
    };
    _cleanup_strings_ char **addresses = preconditions_addresses(containers, 2),
                           **none = preconditions_addresses(containers + 1, 1);
    _cleanup_free_ char *all = strings_join(addresses, " ");
    assert_string_equal(all, "172.18.0.2 fd00::2 172.19.0.2");
    assert_non_null(none);
    assert_null(none[0]);
    json_decref(containers[0].inspect);
    json_decref(containers[1].inspect);
    containers[0].inspect = json_pack("{s:{s:{s:{s:s, s:s}}}}", "NetworkSettings", "Networks", "back",
                                      "IPAddress", "172.19.0.2", "Gateway", "172.19.0.1");
    containers[1].inspect = json_pack("{s:{s:s}}", "HostConfig", "NetworkMode", "host");
    _cleanup_strings_ char **bridged = preconditions_addresses(containers, 1),
                           **with_host = preconditions_addresses(containers, 2);
    _cleanup_free_ char *one = strings_join(bridged, " "), *both = strings_join(with_host, " ");
    assert_string_equal(one, "172.19.0.2");
    assert_string_equal(both, "172.19.0.2 172.19.0.1");
    json_decref(containers[0].inspect);
    json_decref(containers[1].inspect);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_server_is_fine_but_for_its_fsync),
        cmocka_unit_test(a_missing_database_is_a_finding),
        cmocka_unit_test(what_cannot_be_cloned_is_refused),
        cmocka_unit_test(few_rights_are_named),
        cmocka_unit_test(strangers_in_the_database_are_named),
        cmocka_unit_test(addresses_are_those_of_all_networks),
    };
    return cmocka_run_group_tests(tests, setup, cluster_teardown);
}
