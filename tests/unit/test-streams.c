/* What Docker says line by line: events, the progress of a pull, and the lines themselves. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/events.h"
#include "watchdog/docker/image.h"
#include "watchdog/docker/json-lines.h"

static json_t *parsed(const char *text) {
    json_t *value = NULL;
    assert_int_equal(json_parse(text, strlen(text), "the case", &value, NULL), 0);
    return value;
}

static void lines_come_whole_whatever_the_portions(void **state) {
    (void)state;
    static const char text[] = "{\"a\":1}\r\n\r\n{\"a\":2}\n  \n{\"a\":3}";
    for (size_t split = 0; split < sizeof(text); split++) {
        _cleanup_json_lines_ struct json_lines lines = { 0 };
        int sum = 0;
        for (int part = 0; part < 2; part++) {
            json_lines_add(&lines, part ? text + split : text, part ? sizeof(text) - 1 - split : split);
            for (;;) {
                _cleanup_json_ json_t *value = NULL;
                int r = json_lines_next(&lines, part == 1, &value, NULL);
                assert_true(r >= 0);
                if (r == 0)
                    break;
                sum = sum * 10 + (int)json_get_integer(value, "a", 0);
            }
        }
        assert_int_equal(sum, 123);
    }
}

static void a_line_that_is_none_is_refused(void **state) {
    (void)state;
    _cleanup_json_lines_ struct json_lines lines = { 0 }, endless = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    json_t *value = NULL;
    json_lines_add(&lines, "<html>\n", 7);
    assert_int_equal(json_lines_next(&lines, false, &value, &err), -EBADMSG);
    _cleanup_free_ char *block = xcalloc(1, 2000000);
    memset(block, 'x', 2000000);
    json_lines_add(&endless, block, 2000000);
    assert_int_equal(json_lines_next(&endless, false, &value, &err), -EFBIG);
}

static void events_are_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int r;
        const char *action, *health, *service;
        int exit_code;
    } cases[] = {
        { "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"c\",\"Attributes\":{\"exitCode\":"
          "\"137\","
          "\"com.docker.compose.service\":\"web\"}},\"time\":1,\"timeNano\":1500000000}",
          1, "die", "", "web", 137 },
        { "{\"Type\":\"container\",\"Action\":\"health_status: unhealthy\",\"Actor\":{\"ID\":\"c\"}}", 1,
          "health_status", "unhealthy", "", -1 },
        { "{\"Type\":\"container\",\"Action\":\"health_status:healthy\",\"Actor\":{\"ID\":\"c\"}}", 1,
          "health_status", "healthy", "", -1 },
        { "{\"Type\":\"container\",\"Action\":\"exec_create: /bin/sh -c x\",\"Actor\":{\"ID\":\"c\"}}", 0, 0,
          0, 0, 0 },
        { "{\"Type\":\"container\",\"Action\":\"exec_die\",\"Actor\":{\"ID\":\"c\"}}", 0, 0, 0, 0, 0 },
        { "{\"Type\":\"network\",\"Action\":\"create\",\"Actor\":{\"ID\":\"c\"}}", 0, 0, 0, 0, 0 },
        { "{\"Type\":\"container\",\"Action\":\"died\",\"Actor\":{\"ID\":\"c\"}}", 0, 0, 0, 0, 0 },
        { "{\"Type\":\"container\",\"Action\":\"die\"}", -EBADMSG, 0, 0, 0, 0 },
        { "{\"Type\":\"container\"}", -EBADMSG, 0, 0, 0, 0 },
        { "[]", -EBADMSG, 0, 0, 0, 0 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *value = parsed(cases[i].text);
        struct event event = { 0 };
        assert_int_equal(event_parse(value, &event, NULL), cases[i].r);
        if (cases[i].r <= 0)
            continue;
        assert_string_equal(event.action, cases[i].action);
        assert_string_equal(event.health, cases[i].health);
        assert_string_equal(event.service, cases[i].service);
        assert_int_equal(event.exit_code, cases[i].exit_code);
        if (i == 0)
            assert_int_equal(event.time, 3 * USEC_PER_SEC / 2);
        event_done(&event);
    }
}

static void layers_of_a_pull_are_added_up(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned bytes, total;
    } steps[] = {
        { "{\"status\":\"Pulling from a/b\",\"id\":\"sha256:1\"}", 0, 0 },
        { "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"l1\"}", 0, 0 },
        { "{\"status\":\"Already exists\",\"progressDetail\":{},\"id\":\"l0\"}", 0, 0 },
        { "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":10,\"total\":100},\"id\":\"l1\"}", 10,
          100 },
        { "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":50},\"id\":\"l2\"}", 15,
          150 },
        { "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":60,\"total\":100},\"id\":\"l1\"}", 65,
          150 },
        { "{\"status\":\"Verifying Checksum\",\"progressDetail\":{},\"id\":\"l1\"}", 65, 150 },
        { "{\"status\":\"Download complete\",\"progressDetail\":{},\"id\":\"l1\"}", 105, 150 },
        { "{\"status\":\"Extracting\",\"progressDetail\":{\"current\":1,\"total\":100},\"id\":\"l1\"}", 105,
          150 },
        { "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"l2\"}", 150, 150 },
        { "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":-7,\"total\":-1},\"id\":\"l3\"}", 150,
          150 },
        { "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":9},\"id\":\"l3\"}", 159, 159 },
        { "{\"status\":\"Digest: sha256:1\"}", 159, 159 },
    };
    struct pull_layers layers = { 0 };
    for (size_t i = 0; i < ELEMENTS(steps); i++) {
        _cleanup_json_ json_t *value = parsed(steps[i].text);
        uint64_t bytes, total;
        assert_int_equal(pull_layers_add(&layers, value, NULL), 0);
        pull_layers_sum(&layers, &bytes, &total);
        assert_int_equal(bytes, steps[i].bytes);
        assert_int_equal(total, steps[i].total);
    }
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *refusal =
        parsed("{\"errorDetail\":{\"message\":\"manifest unknown\"},\"error\":\"manifest unknown\"}");
    assert_int_equal(pull_layers_add(&layers, refusal, &err), -EPROTO);
    assert_string_equal(err.text, "manifest unknown");
    pull_layers_done(&layers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_whatever_the_portions),
        cmocka_unit_test(a_line_that_is_none_is_refused),
        cmocka_unit_test(events_are_told_apart),
        cmocka_unit_test(layers_of_a_pull_are_added_up),
    };
    return RUN(tests);
}
