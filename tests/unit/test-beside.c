/* What a release makes beside the application's databases, on a real server. */

#include "tests/unit/cluster.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/database/beside.h"

static json_t *read_all(struct cluster *cluster) {
    _cleanup_error_ struct error err = ERROR_NONE;
    json_t *beside = NULL;
    cluster_check(beside_read(cluster->connection, SOON, &beside, &err), &err);
    return beside;
}

static void expect(const json_t *sentences, const char *const *words, size_t count) {
    _cleanup_free_ char *all = json_dumps(sentences, 0);
    if (json_array_size(sentences) != count)
        fail_msg("%zu sentences, expected %zu: %s", json_array_size(sentences), count, all);
    for (size_t i = 0; i < count; i++)
        if (!strstr(all, words[i]))
            fail_msg("none says \"%s\": %s", words[i], all);
}

static void what_was_made_on_the_server_is_told(void **state) {
    struct cluster *cluster = *state;
    static const char *const words[] = { "database \\\"other\\\" was made",
                                         "database \\\"doomed\\\" was on the server",
                                         "\\\"work_mem\\\" of the whole server" };
    char *const ours[] = { (char *)(uintptr_t) "app_clone", (char *)(uintptr_t) "app", NULL };
    cluster_do(cluster->connection, "CREATE DATABASE app");
    cluster_do(cluster->connection, "CREATE DATABASE doomed");
    cluster_do(cluster->connection, "ALTER SYSTEM SET maintenance_work_mem = '40MB'");
    _cleanup_json_ json_t *before = read_all(cluster);
    _cleanup_json_ json_t *same = beside_difference(before, before, ours);
    expect(same, NULL, 0);
    cluster_do(cluster->connection, "CREATE DATABASE app_clone");
    cluster_do(cluster->connection, "CREATE DATABASE other");
    cluster_do(cluster->connection, "DROP DATABASE doomed");
    cluster_do(cluster->connection, "DROP DATABASE app");
    cluster_do(cluster->connection, "ALTER SYSTEM SET work_mem = '5MB'");
    _cleanup_json_ json_t *now = read_all(cluster), *sentences = beside_difference(before, now, ours);
    expect(sentences, words, ELEMENTS(words));
    /* the values may be secrets */
    _cleanup_free_ char *kept = json_dumps(now, 0);
    assert_null(strstr(kept, "5MB"));
}

static void what_may_not_be_read_is_not_compared(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_server_ struct server *server = NULL;
    _cleanup_connection_ PGconn *little = NULL;
    const struct server_way way = { "a socket", cluster->directory, cluster->port, NULL };
    cluster_do(cluster->connection, "CREATE ROLE little LOGIN");
    server_new(&way, 1, "little", NULL, "postgres", &server);
    cluster_check(server_connect(server, NULL, SOON, &little, &err), &err);
    _cleanup_json_ json_t *before = NULL, *now = read_all(cluster);
    cluster_check(beside_read(little, SOON, &before, &err), &err);
    assert_null(json_object_get(before, "settings"));
    _cleanup_json_ json_t *sentences = beside_difference(before, now, NULL);
    expect(sentences, NULL, 0);
}

static void extensions_are_told_with_their_versions(void **state) {
    struct cluster *cluster = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    static const char *const words[] = { "the extension pg_trgm 1.6 was made or updated in \\\"app's\\\"" };
    _cleanup_json_ json_t *before = NULL, *now = NULL;
    cluster_check(extensions_read(cluster->connection, SOON, &before, &err), &err);
    cluster_do(cluster->connection, "CREATE EXTENSION pg_trgm VERSION '1.6'");
    cluster_check(extensions_read(cluster->connection, SOON, &now, &err), &err);
    _cleanup_json_ json_t *sentences = extensions_difference(before, now, "app's");
    expect(sentences, words, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_made_on_the_server_is_told),
        cmocka_unit_test(what_may_not_be_read_is_not_compared),
        cmocka_unit_test(extensions_are_told_with_their_versions),
    };
    return cmocka_run_group_tests(tests, cluster_setup, cluster_teardown);
}
