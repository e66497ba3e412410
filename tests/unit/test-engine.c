/* What needs no daemon: the version to speak, the head of an answer, what a container's description says. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/container.h"
#include "watchdog/docker/stream.h"

static void the_newest_version_that_both_know_is_spoken(void **state) {
    (void)state;
    static const struct {
        const char *newest, *oldest, *spoken;
        int r;
    } cases[] = {
        { "1.41", "1.12", "1.41", 0 },
        { "1.43", "1.12", "1.43", 0 },
        { "1.47", "1.24", "1.47", 0 },
        { "1.52", "1.44", ENGINE_API_NEWEST, 0 },
        { "1.9", "1.1", NULL, -EPROTONOSUPPORT },
        { "1.40", "1.12", NULL, -EPROTONOSUPPORT },
        { "1.60", "1.55", "1.55", 0 },
        { "2.3", "2.1", "2.1", 0 },
        { "", "", NULL, -EBADMSG },
        { "1.41", "1.", NULL, -EBADMSG },
        { "1.41.2", "1.12", NULL, -EBADMSG },
        { "-1.41", "1.12", NULL, -EBADMSG },
        { "1.99999999999999999999", "1.12", NULL, -EBADMSG },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char spoken[16] = "";
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(engine_version_choose(cases[i].newest, cases[i].oldest, spoken, &err), cases[i].r);
        if (cases[i].r == 0)
            assert_string_equal(spoken, cases[i].spoken);
        else
            assert_non_null(err.text);
    }
}

static void the_head_of_an_answer_is_found_at_every_size(void **state) {
    (void)state;
    static const char answer[] = "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n\x01\0\0";
    size_t head = strlen(answer) - 1;
    for (size_t size = 0; size < sizeof(answer); size++) {
        int status = 0;
        ssize_t r = stream_head(answer, size, &status);
        assert_int_equal(r, size < head ? 0 : (ssize_t)head);
        if (r > 0)
            assert_int_equal(status, 101);
    }
}

static void what_is_no_head_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = { "\x01", "SSH-2.0-OpenSSH", "HTTP/1.1\r\n\r\n",
                                         "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/2 200\r\n\r\n" };
    int status;
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        assert_int_equal(stream_head(cases[i], strlen(cases[i]), &status), -EBADMSG);
    _cleanup_free_ char *endless = xcalloc(1, 100000);
    memset(endless, 'a', 100000);
    memcpy(endless, "HTTP/1.1 200 OK\r\n", 17);
    assert_int_equal(stream_head(endless, 100000, &status), -EBADMSG);
}

static void a_description_becomes_a_container(void **state) {
    (void)state;
    static const char text[] =
        "{\"Id\":\"abc\",\"Name\":\"/app-web-1\",\"Image\":\"sha256:1\",\"RestartCount\":2,"
        "\"Created\":\"2026-11-23T03:15:00.5Z\","
        "\"State\":{\"Status\":\"restarting\",\"Pid\":0,\"ExitCode\":137,\"OOMKilled\":true,\"Error\":\"\","
        "\"StartedAt\":\"2026-11-23T03:15:01Z\",\"FinishedAt\":\"0001-01-01T00:00:00Z\","
        "\"Health\":{\"Status\":\"starting\"}},"
        "\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}},"
        "\"Config\":{\"Image\":\"app/web:1\",\"Env\":[\"A=1\",\"AB=\",\"B=x=y\"],\"Labels\":{"
        "\"com.docker.compose.project\":\"app\",\"com.docker.compose.service\":\"web\","
        "\"com.docker.compose.oneoff\":\"True\",\"" DOCKER_LABEL "\":\"id\"}},"
        "\"NetworkSettings\":{\"Networks\":{\"b\":{\"IPAddress\":\"10.0.0.2\"},\"a\":{\"IPAddress\":\"10.0.0."
        "1\"},"
        "\"0\":{\"IPAddress\":\"\"}}}}";
    _cleanup_json_ json_t *inspect = NULL;
    assert_int_equal(json_parse(text, strlen(text), "the description", &inspect, NULL), 0);
    struct container container = { 0 };
    assert_int_equal(container_parse(inspect, &container, NULL), 0);
    assert_string_equal(container.name, "app-web-1");
    assert_string_equal(container.service, "web");
    assert_string_equal(container.policy, "on-failure");
    assert_int_equal(container.policy_retries, 3);
    assert_string_equal(container.health, "starting");
    assert_string_equal(container.ours, "id");
    assert_true(container.one_off && container.oom_killed && container_runs(&container));
    assert_int_equal(container.finished, 0);
    assert_int_equal(container.started - container.created, USEC_PER_SEC / 2);
    assert_string_equal(container_variable(&container, "A", NULL), "1");
    assert_string_equal(container_variable(&container, "AB", NULL), "");
    assert_string_equal(container_variable(&container, "B", NULL), "x=y");
    assert_null(container_variable(&container, "C", NULL));
    _cleanup_free_ char *address = NULL;
    assert_int_equal(container_address(&container, &address, NULL), 0);
    assert_string_equal(address, "10.0.0.1");
    container_done(&container);
}

/* Docker notes the start when the process may have written its first lines. */
static void a_run_began_after_the_one_before_it(void **state) {
    (void)state;
    static const struct {
        const char *name;
        struct container container;
        usec_t began;
    } cases[] = {
        { "its first run", { .created = 10, .started = 20 }, 10 },
        { "its second run", { .created = 10, .started = 40, .finished = 30 }, 30 },
        { "between two runs", { .created = 10, .started = 40, .finished = 50 }, 10 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        print_message("    %s\n", cases[i].name);
        assert_int_equal(container_run_began(&cases[i].container), cases[i].began);
    }
}

static void a_description_without_its_parts_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = { "null", "[]", "{}",
                                         "{\"Id\":\"a\",\"State\":{\"Status\":\"running\"}}",
                                         "{\"Id\":1,\"State\":[],\"Config\":{}}" };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *inspect = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        struct container container;
        assert_int_equal(json_parse(cases[i], strlen(cases[i]), "the description", &inspect, NULL), 0);
        assert_int_equal(container_parse(inspect, &container, &err), -EBADMSG);
    }
}

static void a_daemon_that_is_not_there_is_said_to_be(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct engine *engine = NULL;
    assert_int_equal(engine_new("/nonexistent/docker.sock", deadline_in(USEC_PER_SEC), &engine, &err),
                     -ECONNREFUSED);
    assert_non_null(strstr(err.text, "\"/nonexistent/docker.sock\": No such file or directory"));
}

static void a_component_of_an_address_is_encoded(void **state) {
    (void)state;
    _cleanup_free_ char *escaped = url_escape("a b/\xc3\xa4:{\"x\"}-._~");
    assert_string_equal(escaped, "a%20b%2F%C3%A4%3A%7B%22x%22%7D-._~");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_version_that_both_know_is_spoken),
        cmocka_unit_test(the_head_of_an_answer_is_found_at_every_size),
        cmocka_unit_test(what_is_no_head_is_refused),
        cmocka_unit_test(a_description_becomes_a_container),
        cmocka_unit_test(a_run_began_after_the_one_before_it),
        cmocka_unit_test(a_description_without_its_parts_is_refused),
        cmocka_unit_test(a_daemon_that_is_not_there_is_said_to_be),
        cmocka_unit_test(a_component_of_an_address_is_encoded),
    };
    return RUN(tests);
}
