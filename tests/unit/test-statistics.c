/* What a rollback loses: the arithmetic as a table, and the counters of a real server. */

#include "tests/unit/cluster.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/database/statistics.h"

/* Counters before and after (added, changed, deleted, rows; rows -1: not counted), and what is lost. */
static const struct {
    const char *name;
    int before[4], after[4], lost[3];
} cases[] = {
    { "nothing happened", { 10, 5, 1, 9 }, { 10, 5, 1, 9 }, { 0, 0, 0 } },
    { "rows were added", { 10, 0, 0, 10 }, { 13, 0, 0, 13 }, { 3, 0, 0 } },
    { "rows were changed", { 10, 0, 0, 10 }, { 10, 7, 0, 10 }, { 0, 7, 0 } },
    { "all at once", { 10, 0, 0, 10 }, { 15, 2, 3, 12 }, { 5, 2, 3 } },
    { "counters alone", { 10, 0, 0, -1 }, { 15, 2, 3, -1 }, { 5, 2, 3 } },
    { "rolled back inserts are not lost", { 10, 0, 0, 10 }, { 60, 0, 0, 12 }, { 2, 0, 0 } },
    { "a TRUNCATE is seen by the rows", { 10, 0, 0, 10 }, { 10, 0, 0, 0 }, { 0, 0, 10 } },
    { "a TRUNCATE with rows after it", { 10, 0, 0, 10 }, { 14, 0, 0, 4 }, { 4, 0, 10 } },
    { "a crash took the counters", { 1000, 50, 20, 980 }, { 3, 1, 0, 985 }, { 5, 1, 0 } },
    { "a crash, and only counters", { 1000, 50, 20, -1 }, { 3, 1, 0, -1 }, { 3, 1, 0 } },
    { "a rolled back DELETE", { 10, 0, 0, 10 }, { 10, 0, 4, 10 }, { 4, 0, 4 } },
};

static json_t *entry(const int counts[4]) {
    json_t *value =
        json_pack("{s:i, s:i, s:i}", "added", counts[0], "changed", counts[1], "deleted", counts[2]);
    if (counts[3] >= 0)
        json_object_set_new(value, "rows", json_integer(counts[3]));
    return value;
}

static void what_is_lost_is_what_came_and_went(void **state) {
    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *before = json_pack("{s:o}", "public.t", entry(cases[i].before)),
                              *after = json_pack("{s:o}", "public.t", entry(cases[i].after)),
                              *lost = statistics_difference(before, after), *expected = json_array();
        const int *wanted = cases[i].lost;
        if (wanted[0] || wanted[1] || wanted[2])
            json_array_append_new(expected, json_pack("{s:s, s:i, s:i, s:i}", "table", "public.t", "added",
                                                      wanted[0], "changed", wanted[1], "deleted", wanted[2]));
        _cleanup_free_ char *text = json_text(lost);
        if (!json_equal(lost, expected))
            fail_msg("%s: %s", cases[i].name, text);
    }
}

static void new_and_dropped_tables_count_in_order(void **state) {
    (void)state;
    static const int old[4] = { 10, 0, 0, 10 }, made[4] = { 7, 0, 0, 7 };
    _cleanup_json_ json_t *before = json_pack("{s:o, s:o}", "public.z", entry(old), "public.b", entry(old)),
                          *after = json_pack("{s:o, s:o}", "public.b", entry(old), "public.a", entry(made)),
                          *lost = statistics_difference(before, after);
    _cleanup_free_ char *text = json_text(lost);
    assert_string_equal(text, "[{\"table\":\"public.a\",\"added\":7,\"changed\":0,\"deleted\":0},"
                              "{\"table\":\"public.z\",\"added\":0,\"changed\":0,\"deleted\":10}]");
}

static json_t *read_statistics(PGconn *connection, uint64_t limit) {
    _cleanup_error_ struct error err = ERROR_NONE;
    json_t *statistics = NULL;
    cluster_check(statistics_read(connection, limit, SOON, &statistics, &err), &err);
    return statistics;
}

static void a_real_server_tells_what_a_client_did(void **state) {
    struct cluster *cluster = *state;
    static const char *const work[] = {
        "CREATE TABLE public.runs (n int)",
        "INSERT INTO public.runs SELECT generate_series(1, 100)",
        "CREATE TABLE public.\"Quiet\" (n int)",
        "CREATE EXTENSION IF NOT EXISTS plpgsql",
    };
    static const char *const release[] = {
        "INSERT INTO public.runs SELECT generate_series(1, 7)",
        "UPDATE public.runs SET n = 0 WHERE n = 50",
        "DELETE FROM public.runs WHERE n IN (60, 61)",
        "CREATE TABLE public.made AS SELECT generate_series(1, 4)",
        "BEGIN",
        "INSERT INTO public.runs SELECT generate_series(1, 1000)",
        "ROLLBACK",
    };
    PGconn *client = cluster_connect(cluster, NULL);
    for (size_t i = 0; i < ELEMENTS(work); i++)
        cluster_do(client, work[i]);
    PQfinish(client);
    _cleanup_connection_ PGconn *connection = cluster_connect(cluster, NULL);
    deadline_sleep(SOON, 100 * USEC_PER_MSEC); /* the session's end */
    _cleanup_json_ json_t *before = read_statistics(connection, 1 << 20);
    client = cluster_connect(cluster, NULL);
    for (size_t i = 0; i < ELEMENTS(release); i++)
        cluster_do(client, release[i]);
    PQfinish(client);
    deadline_sleep(SOON, 200 * USEC_PER_MSEC);
    _cleanup_json_ json_t *after = read_statistics(connection, 1 << 20),
                          *lost = statistics_difference(before, after);
    _cleanup_free_ char *text = json_text(lost);
    assert_string_equal(text, "[{\"table\":\"public.made\",\"added\":4,\"changed\":0,\"deleted\":0},"
                              "{\"table\":\"public.runs\",\"added\":7,\"changed\":1,\"deleted\":2}]");
    _cleanup_json_ json_t *uncounted = read_statistics(connection, 0);
    assert_null(json_object_get(json_object_get(uncounted, "public.runs"), "rows"));
    assert_int_equal(json_get_integer(json_object_get(uncounted, "public.\"Quiet\""), "rows", -1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_lost_is_what_came_and_went),
        cmocka_unit_test(new_and_dropped_tables_count_in_order),
        cmocka_unit_test(a_real_server_tells_what_a_client_did),
    };
    return RUN_IN_CLUSTER(tests);
}
