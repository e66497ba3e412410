/* The judgement of containers: each state that Docker can report. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/containers.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define SECOND USEC_PER_SEC
#define SWITCH (1000000 * SECOND)
#define NOW (SWITCH + 100 * SECOND)

/* A container made after the switch that runs as it should; cases change what they are about. */
static struct container sound(void) {
    return (struct container){ .id = "id1",
                               .name = "app-web-1",
                               .service = "web",
                               .image_id = "sha256:new",
                               .status = "running",
                               .health = "",
                               .error = "",
                               .created = SWITCH + 1 * SECOND,
                               .started = SWITCH + 2 * SECOND };
}

struct facts {
    struct container container;
    struct probe_expected expected;
    struct probe_view view;
    usec_t daemon_started;
    const char *state;
};

static struct facts facts_of(struct container container) {
    return (struct facts){ .container = container,
                           .expected = { .service = "web", .image_id = "sha256:new", .must_run = true },
                           .view = { .project = "app", .since_realtime = SWITCH } };
}

static struct probe_report judge(const struct facts *facts) {
    struct probe_report report = { 0 };
    struct probe_view view = facts->view;
    _cleanup_json_ json_t *state = facts->state ? json_loads(facts->state, 0, NULL) : NULL;
    view.expected = &facts->expected;
    view.expected_count = 1;
    const struct containers_facts world = { .containers = &facts->container,
                                            .count = 1,
                                            .now_realtime = NOW,
                                            .daemon_started = facts->daemon_started,
                                            .state = state };
    const struct container *failed;
    containers_judge(&view, &world, &report, &failed);
    if (report.result != PROBE_PASS && facts->container.service)
        assert_true(!failed || failed == &facts->container);
    return report;
}

static void check(const char *name, struct facts facts, enum probe_result result, bool fatal,
                  const char *words) {
    struct probe_report report = judge(&facts);
    if (report.result != result || report.fatal != fatal || !strstr(report.sentence, words))
        fail_msg("%s: %s%s, \"%s\"", name, probe_result_name(report.result), report.fatal ? " fatal" : "",
                 report.sentence);
    probe_report_done(&report);
}

#define CASE(name, change, result, fatal, words)                                                             \
    do {                                                                                                     \
        struct facts facts = facts_of(sound());                                                              \
        struct container *c = &facts.container;                                                              \
        (void)c;                                                                                             \
        change;                                                                                              \
        check(name, facts, result, fatal, words);                                                            \
    } while (0)

static void what_runs_as_it_should_passes(void **state) {
    (void)state;
    CASE("no health check", , PROBE_PASS, false, "1 service runs as expected");
    CASE("healthy", c->health = "healthy", PROBE_PASS, false, "");
    CASE("one-shot with 0", (c->status = "exited", facts.expected.one_shot = true), PROBE_PASS, false, "");
    CASE("stopped by a person before", (c->status = "exited", facts.expected.must_run = false), PROBE_PASS,
         false, "0 services");
    CASE("any image at the baseline", facts.expected.image_id = NULL, PROBE_PASS, false, "");
    CASE("many restarts long ago at the baseline", (c->restart_count = 7, facts.view.since_realtime = 0),
         PROBE_PASS, false, "");
    CASE("restarts of a container that the switch did not start",
         (c->restart_count = 7, c->started = SWITCH - 1 * SECOND), PROBE_PASS, false, "");
}

static void what_is_on_its_way_fails_but_is_not_fatal(void **state) {
    (void)state;
    CASE("starting", c->health = "starting", PROBE_FAIL, false, "\"web\" is still starting");
    CASE("created", c->status = "created", PROBE_FAIL, false, "\"web\" is created");
    CASE("being removed", c->status = "removing", PROBE_FAIL, false, "removing");
    CASE("paused", c->status = "paused", PROBE_FAIL, false, "paused");
    CASE("old image", c->image_id = "sha256:old", PROBE_FAIL, false, "runs the image sha256:old");
    CASE("another service's container", c->service = "other", PROBE_FAIL, false, "\"web\" has no container");
    CASE("of compose run", c->one_off = true, PROBE_FAIL, false, "no container");
    CASE("restarted just now", (c->restart_count = 1, c->started = NOW - 3 * SECOND), PROBE_FAIL, false,
         "restarted just now");
    CASE("restarting", (c->status = "restarting", c->restart_count = 1), PROBE_FAIL, false, "restarting");
}

static void a_crash_loop_is_no_baseline_though_it_runs_at_the_moment(void **state) {
    (void)state;
    CASE("restarted just now",
         (c->restart_count = 1, c->started = NOW - 3 * SECOND, c->exit_code = 2,
          facts.view.since_realtime = 0),
         PROBE_FAIL, false, "restarted 1 time, the last time 3 s ago, exit status 2");
    CASE("again and again",
         (c->restart_count = 3, c->started = NOW - 40 * SECOND, facts.view.since_realtime = 0), PROBE_FAIL,
         false, "restarted 3 times");
    CASE("once, a while ago",
         (c->restart_count = 2, c->started = NOW - 11 * SECOND, facts.view.since_realtime = 0), PROBE_PASS,
         false, "");
    CASE("healthy",
         (c->restart_count = 9, c->started = NOW - 3 * SECOND, c->health = "healthy",
          facts.view.since_realtime = 0),
         PROBE_PASS, false, "");
    CASE("by a restart of Docker",
         (c->restart_count = 3, c->started = NOW - 3 * SECOND, c->finished = NOW - 6 * SECOND,
          facts.daemon_started = NOW - 5 * SECOND, facts.view.since_realtime = 0),
         PROBE_PASS, false, "");
    CASE("the database",
         (c->restart_count = 3, c->started = NOW - 3 * SECOND, facts.expected.is_database = true,
          facts.view.since_realtime = 0),
         PROBE_PASS, false, "");
}

static void a_health_check_of_what_changes_says_that_it_has_started(void **state) {
    (void)state;
    static const struct {
        const char *name, *health;
        bool changes, ready;
    } cases[] = {
        { "healthy", "healthy", true, true },
        { "no health check", "", true, false },
        { "starting", "starting", true, false },
        { "healthy, but as before the switch", "healthy", false, false },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct facts facts = facts_of(sound());
        facts.container.health = (char *)cases[i].health;
        facts.expected.changes = cases[i].changes;
        struct probe_report report = judge(&facts);
        if (report.ready != cases[i].ready)
            fail_msg("%s: %s", cases[i].name, report.ready ? "ready" : "not ready");
        probe_report_done(&report);
    }
}

static void one_restart_while_waiting_for_the_database_is_forgiven(void **state) {
    (void)state;
    CASE("up again for long", c->restart_count = 2, PROBE_PASS, false, "");
    CASE("healthy again", (c->restart_count = 1, c->started = NOW - SECOND, c->health = "healthy"),
         PROBE_PASS, false, "");
    /* and it is not counted once more after the first pass */
    CASE("remembered",
         (c->restart_count = 2, facts.view.first_pass_realtime = NOW - SECOND, facts.state = "{\"id1\": 2}"),
         PROBE_PASS, false, "");
}

static void fatal_signs_are_fatal(void **state) {
    (void)state;
    CASE("crash loop", (c->status = "restarting", c->restart_count = 3, c->exit_code = 1), PROBE_FAIL, true,
         "restarted 3 times, exit status 1");
    CASE("crash loop seen while it runs", c->restart_count = 3, PROBE_FAIL, true, "restarted 3 times");
    CASE("ended", (c->status = "exited", c->exit_code = 2), PROBE_FAIL, true, "ended with exit status 2");
    CASE("ended by a signal a while ago",
         (c->status = "exited", c->exit_code = 143, c->finished = NOW - 4 * SECOND), PROBE_FAIL, true,
         "ended with exit status 143");
    CASE("crashed just now", (c->status = "exited", c->exit_code = 139, c->finished = NOW - 1 * SECOND),
         PROBE_FAIL, true, "ended with exit status 139");
    CASE("ended with 0 and not one-shot", c->status = "exited", PROBE_FAIL, true, "exit status 0");
    CASE("one-shot with 1", (c->status = "exited", c->exit_code = 1, facts.expected.one_shot = true),
         PROBE_FAIL, true, "exit status 1");
    CASE("wrong entrypoint", (c->status = "created", c->error = "exec: \"x\": not found"), PROBE_FAIL, true,
         "could not be started: exec");
    CASE("unhealthy", c->health = "unhealthy", PROBE_FAIL, true, "unhealthy");
    CASE("out of memory", c->oom_killed = true, PROBE_FAIL, true, "out of memory");
    CASE("restarted after the first pass",
         (c->restart_count = 1, facts.view.first_pass_realtime = SWITCH + 50 * SECOND,
          facts.state = "{\"id1\": 0}"),
         PROBE_FAIL, true, "restarted 1 time,");
    CASE("restarted after it, and we do not remember",
         (c->restart_count = 1, c->started = NOW - 5 * SECOND,
          facts.view.first_pass_realtime = SWITCH + 50 * SECOND),
         PROBE_FAIL, true, "restarted 1 time,");
    CASE("restarting after it",
         (c->status = "restarting", facts.view.first_pass_realtime = SWITCH + 50 * SECOND), PROBE_FAIL, true,
         "");
}

static void what_the_host_took_down_is_unknown(void **state) {
    (void)state;
    CASE("dockerd restarted, container down since",
         (c->status = "exited", c->exit_code = 137, c->finished = NOW - 20 * SECOND,
          facts.daemon_started = NOW - 18 * SECOND),
         PROBE_UNKNOWN, false, "down since Docker");
    CASE("down long before dockerd was restarted",
         (c->status = "exited", c->exit_code = 1, c->finished = NOW - 80 * SECOND,
          facts.daemon_started = NOW - 18 * SECOND),
         PROBE_FAIL, true, "ended");
    CASE("started after dockerd and then ended",
         (c->status = "exited", c->exit_code = 1, c->started = NOW - 10 * SECOND,
          c->finished = NOW - 5 * SECOND, facts.daemon_started = NOW - 18 * SECOND),
         PROBE_FAIL, true, "ended");
}

static void what_the_daemon_or_a_person_restarts_is_no_crash(void **state) {
    (void)state;
    CASE("restarted with dockerd after the first pass",
         (c->restart_count = 1, c->finished = NOW - 20 * SECOND, c->started = NOW - 15 * SECOND,
          facts.daemon_started = NOW - 18 * SECOND, facts.view.first_pass_realtime = SWITCH + 50 * SECOND,
          facts.state = "{\"id1\": 0}"),
         PROBE_PASS, false, "");
    CASE("restarted by itself some time after dockerd was",
         (c->restart_count = 2, c->finished = NOW - 6 * SECOND, c->started = NOW - 5 * SECOND,
          facts.daemon_started = NOW - 80 * SECOND, facts.view.first_pass_realtime = SWITCH + 50 * SECOND,
          facts.state = "{\"id1\": 0}"),
         PROBE_FAIL, true, "restarted 2 times");
    _cleanup_json_ json_t *signs = json_pack("{s:{s:I}}", "id1", "stopped", (json_int_t)(NOW - 10 * SECOND));
    CASE("stopped just now, and nobody has said by whom",
         (c->status = "exited", c->exit_code = 143, c->finished = NOW - 1 * SECOND), PROBE_UNKNOWN, false,
         "whose is not known yet");
    CASE("stopped by somebody",
         (c->status = "exited", c->exit_code = 143, c->finished = NOW - 8 * SECOND, facts.view.signs = signs),
         PROBE_UNKNOWN, false, "was stopped by somebody else");
    CASE("ended by itself long after a signal",
         (c->status = "exited", c->exit_code = 1, c->finished = NOW + 80 * SECOND, facts.view.signs = signs),
         PROBE_FAIL, true, "ended with exit status 1");
}

static void the_database_is_the_hosts_matter(void **state) {
    (void)state;
    CASE("down", (c->status = "exited", facts.expected.is_database = true), PROBE_UNKNOWN, false, "ended");
    CASE("unhealthy", (c->health = "unhealthy", facts.expected.is_database = true), PROBE_UNKNOWN, false, "");
    CASE("restarted and up", (c->restart_count = 5, facts.expected.is_database = true), PROBE_PASS, false,
         "");
}

static void the_twin_stands_for_the_gate_while_that_is_shut(void **state) {
    (void)state;
    CASE("the twin counts",
         (c->name = "twin", c->one_off = true, facts.view.gate = "web", facts.view.twin = "twin"), PROBE_PASS,
         false, "");
    CASE("the gate itself does not",
         (c->status = "created", facts.view.gate = "web", facts.view.twin = "twin"), PROBE_FAIL, false,
         "no container");
    CASE("a twin that is asked need not be healthy yet",
         (c->name = "twin", c->one_off = true, c->health = "starting", facts.view.gate = "web",
          facts.view.twin = "twin", facts.view.twin_is_asked = true),
         PROBE_PASS, false, "");
    CASE("but must not be unhealthy",
         (c->name = "twin", c->one_off = true, c->health = "unhealthy", facts.view.gate = "web",
          facts.view.twin = "twin", facts.view.twin_is_asked = true),
         PROBE_FAIL, true, "unhealthy");
    CASE("one that nobody asks waits for it",
         (c->name = "twin", c->one_off = true, c->health = "starting", facts.view.gate = "web",
          facts.view.twin = "twin"),
         PROBE_FAIL, false, "still starting");
    CASE("without a twin the gate counts", facts.view.gate = "web", PROBE_PASS, false, "");
}

static void the_worst_of_several_is_named_and_the_others_counted(void **state) {
    (void)state;
    struct container containers[3] = { sound(), sound(), sound() };
    struct probe_expected expected[3] = { { .service = "a", .must_run = true },
                                          { .service = "b", .must_run = true },
                                          { .service = "c", .must_run = true } };
    const char *const names[] = { "a", "b", "c" };
    for (int i = 0; i < 3; i++)
        containers[i].service = containers[i].name = containers[i].id = (char *)names[i];
    containers[0].health = "starting";
    containers[1].oom_killed = true;
    const struct probe_view view = { .since_realtime = SWITCH, .expected = expected, .expected_count = 3 };
    const struct containers_facts facts = { .containers = containers, .count = 3, .now_realtime = NOW };
    struct probe_report report = { 0 };
    const struct container *failed;
    containers_judge(&view, &facts, &report, &failed);
    assert_string_equal(report.sentence, "service \"b\" ran out of memory (OOM-killed) (and 1 more)");
    assert_true(report.fatal);
    assert_int_equal(json_object_size(report.state), 1);
    probe_report_done(&report);
}

static void the_last_words_are_the_last_line_that_says_something(void **state) {
    (void)state;
    static const struct {
        const char *log, *words;
    } cases[] = {
        { "", NULL },
        { "\n \n\r\n", NULL },
        { "starting\nSECRET_KEY: is not set\n", "SECRET_KEY: is not set" },
        { "starting\r\nno\r\n\r\n  \n", "no" },
        { "cut", "cut" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *words = containers_last_words(cases[i].log);
        if (!string_equal(words, cases[i].words))
            fail_msg("%s: %s", cases[i].log, words ? words : "none");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_words_are_the_last_line_that_says_something),
        cmocka_unit_test(what_runs_as_it_should_passes),
        cmocka_unit_test(what_is_on_its_way_fails_but_is_not_fatal),
        cmocka_unit_test(a_crash_loop_is_no_baseline_though_it_runs_at_the_moment),
        cmocka_unit_test(a_health_check_of_what_changes_says_that_it_has_started),
        cmocka_unit_test(one_restart_while_waiting_for_the_database_is_forgiven),
        cmocka_unit_test(fatal_signs_are_fatal),
        cmocka_unit_test(what_the_host_took_down_is_unknown),
        cmocka_unit_test(what_the_daemon_or_a_person_restarts_is_no_crash),
        cmocka_unit_test(the_database_is_the_hosts_matter),
        cmocka_unit_test(the_twin_stands_for_the_gate_while_that_is_shut),
        cmocka_unit_test(the_worst_of_several_is_named_and_the_others_counted),
    };
    return RUN(tests);
}
