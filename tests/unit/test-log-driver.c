/* Logging drivers. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/docker/log-driver.h"

static json_t *inspect_of(const char *type, const char *options) {
    _cleanup_free_ char *text =
        xasprintf("{\"HostConfig\": {\"LogConfig\": {\"Type\": \"%s\", \"Config\": {%s}}}}", type, options);
    json_t *value = NULL;
    assert_int_equal(json_parse(text, strlen(text), "the test", &value, NULL), 0);
    return value;
}

static void limits_are_as_docker_takes_them(void **state) {
    (void)state;
    static const struct {
        const char *type, *options;
        uint64_t size, files;
        bool readable;
    } cases[] = {
        { "json-file", "", 0, 1, true },
        { "json-file", "\"max-size\": \"10k\", \"max-file\": \"2\"", 10000, 2, true },
        { "json-file", "\"max-size\": \"10m\"", 10000000, 1, true },
        { "json-file", "\"max-size\": \"1.5g\", \"max-file\": \"3\"", 1500000000, 3, true },
        { "json-file", "\"max-size\": \"-1\"", 0, 1, true },
        { "local", "", 20000000, 5, true },
        { "journald", "", 0, 0, true },
        { "none", "", 0, 0, false },
        { "syslog", "", 20000000, 5, true },
        { "gelf", "\"cache-disabled\": \"true\"", 20000000, 5, false },
        { "", "", 0, 0, true },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *inspect = inspect_of(cases[i].type, cases[i].options);
        struct log_driver driver = log_driver_of(inspect);
        _cleanup_free_ char *problem = log_driver_problem(inspect);
        if (driver.size != cases[i].size || driver.files != cases[i].files ||
            driver.readable != cases[i].readable || (problem == NULL) != cases[i].readable)
            fail_msg("%s %s", cases[i].type, cases[i].options);
    }
}

static void what_rotation_may_have_dropped(void **state) {
    (void)state;

#define AT(from, to)                                                                                         \
    .began = 1000 * USEC_PER_SEC, .first = (1000 + (from)) * USEC_PER_SEC, .now = (1000 + (to)) * USEC_PER_SEC
    static const struct {
        struct log_driver driver;
        struct log_extent extent;
        bool cut, within; /* 20 s */
    } cases[] = {
        { { .size = 0, .files = 1 }, { .bytes = 1 << 30, .lines = 1 << 20, AT(5, 6) }, false, false },
        { { .size = 10000, .files = 2 }, { 0 }, false, false },
        { { .size = 10000, .files = 2 }, { .bytes = 200, .lines = 10, AT(5, 6) }, false, false },
        { { .size = 10000, .files = 2 }, { .bytes = 8000, .lines = 100, AT(5, 6) }, true, false },
        { { .size = 10000, .files = 2 }, { .bytes = 8000, .lines = 100, AT(99, 100) }, true, true },
        { { .size = 10000, .files = 2 }, { .bytes = 8000, .lines = 100, AT(1, 3600) }, true, false },
        { { .size = 10000000, .files = 1 }, { .bytes = 800, .lines = 10, AT(60, 61) }, false, false },
        { { .size = 10000, .files = 1 }, { .bytes = 8000, .lines = 100, AT(5, 6) }, true, false },
        { { .size = 10000, .files = 1 }, { .bytes = 8000, .lines = 100, AT(99, 100) }, true, true },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        if (log_may_be_cut(&cases[i].driver, &cases[i].extent) != cases[i].cut ||
            log_rotates_within(&cases[i].driver, &cases[i].extent, 20 * USEC_PER_SEC) != cases[i].within)
            fail_msg("case %zu", i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_as_docker_takes_them),
        cmocka_unit_test(what_rotation_may_have_dropped),
    };
    return RUN(tests);
}
