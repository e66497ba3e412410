/* Which Compose files are in force, what an environment file says, what a version is. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/docker/compose-files.h"
#include "watchdog/docker/compose-run.h"

static void a_variable_of_an_environment_file_is_read_as_compose_does(void **state) {
    (void)state;
    static const struct {
        const char *text, *value;
        int r;
    } cases[] = {
        { "", NULL, 0 },
        { "COMPOSE_FILE=a.yaml", "a.yaml", 1 },
        { "COMPOSE_FILE=a.yaml:b.yaml\nX=1\n", "a.yaml:b.yaml", 1 },
        { "\xef\xbb\xbf"
          "COMPOSE_FILE=a.yaml\r\n",
          "a.yaml", 1 },
        { "export COMPOSE_FILE = a.yaml # why", "a.yaml", 1 },
        { "COMPOSE_FILE=a#b.yaml", "a#b.yaml", 1 },
        { "COMPOSE_FILE='a $b.yaml'", "a $b.yaml", 1 },
        { "COMPOSE_FILE=\"a b.yaml\"", "a b.yaml", 1 },
        { "COMPOSE_FILE=\"a\\\"b\"", "a\"b", 1 },
        { "COMPOSE_FILE: a.yaml", "a.yaml", 1 },
        { "COMPOSE_FILE=", "", 1 },
        { "COMPOSE_FILE=a\nCOMPOSE_FILE=b\n", "b", 1 },
        { "COMPOSE_FILE=$X\nCOMPOSE_FILE=b\n", "b", 1 },
        { "# COMPOSE_FILE=a\n", NULL, 0 },
        { "MY_COMPOSE_FILE=a\n", NULL, 0 },
        { "COMPOSE_FILES=a\n", NULL, 0 },
        { "COMPOSE_FILE\n", NULL, 0 },
        { "COMPOSE_FILE=${DIR}/a.yaml", NULL, -ENOTSUP },
        { "COMPOSE_FILE=\"$DIR\"", NULL, -ENOTSUP },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *value = NULL;
        assert_int_equal(compose_variable(cases[i].text, "COMPOSE_FILE", &value), cases[i].r);
        if (cases[i].r > 0)
            assert_string_equal(value, cases[i].value);
        else
            assert_null(value);
    }
}

static void versions_of_compose_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text, *version;
        unsigned major, minor;
    } cases[] = { { "2.26.1-4\n", "2.26.1", 2, 26 },
                  { "v2.3.3\n", "2.3.3", 2, 3 },
                  { "1.29.2\n", "1.29.2", 1, 29 },
                  { "Docker Compose version v5.0.1", "5.0.1", 5, 0 },
                  { "dev", NULL, 0, 0 },
                  { "", NULL, 0, 0 } };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        unsigned major, minor;
        _cleanup_free_ char *version = NULL;
        int r = compose_version_parse(cases[i].text, &major, &minor, &version);
        assert_int_equal(r, cases[i].version ? 0 : -EBADMSG);
        if (r == 0) {
            assert_string_equal(version, cases[i].version);
            assert_int_equal(major, cases[i].major);
            assert_int_equal(minor, cases[i].minor);
        }
    }
}

static void the_files_in_force_are_those_that_compose_takes(void **state) {
    (void)state;
    static const struct {
        const char *files; /* that there are, separated by blanks */
        const char *env;   /* contents of .env */
        const char *found; /* separated by blanks */
        int from_environment;
    } cases[] = {
        { "compose.yaml", NULL, "compose.yaml", 0 },
        { "docker-compose.yml compose.yaml", NULL, "compose.yaml", 0 },
        { "docker-compose.yml docker-compose.override.yml", NULL,
          "docker-compose.yml docker-compose.override.yml", 0 },
        { "compose.yaml compose.override.yaml docker-compose.override.yml", NULL,
          "compose.yaml compose.override.yaml", 0 },
        { "compose.yaml compose.override.yaml a.yaml", "COMPOSE_FILE=a.yaml:sub/b.yaml", "a.yaml sub/b.yaml",
          1 },
        { "compose.yaml", "COMPOSE_PATH_SEPARATOR=,\nCOMPOSE_FILE=a.yaml,./b.yaml", "a.yaml b.yaml", 1 },
        { "compose.yaml", "COMPOSE_FILE=\nX=1", "compose.yaml", 0 },
        { "compose.override.yaml", NULL, "", 0 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char directory[] = "/tmp/compose-files-XXXXXX";
        assert_non_null(mkdtemp(directory));
        _cleanup_free_ char *names = xstrdup(cases[i].files), *env = NULL;
        for (char *rest = NULL, *name = strtok_r(names, " ", &rest); name;
             name = strtok_r(NULL, " ", &rest)) {
            _cleanup_free_ char *path = path_below(directory, name);
            assert_int_equal(durable_write(AT_FDCWD, path, "", 0, 0600, NULL), 0);
        }
        _cleanup_strings_ char **env_files = NULL, **found = NULL;
        if (cases[i].env) {
            env = path_below(directory, ".env");
            assert_int_equal(durable_write(AT_FDCWD, env, cases[i].env, strlen(cases[i].env), 0600, NULL), 0);
            strings_append(&env_files, env);
        }
        int from_environment = -1;
        assert_int_equal(compose_files_find(directory, env_files, &found, &from_environment, NULL), 0);
        assert_int_equal(from_environment, cases[i].from_environment);
        _cleanup_buffer_ struct buffer list = { 0 };
        for (size_t k = 0; found && found[k]; k++)
            buffer_printf(&list, "%s%s", k ? " " : "", found[k] + strlen(directory) + 1);
        assert_string_equal(list.text ? list.text : "", cases[i].found);
        assert_int_equal(durable_remove_tree(AT_FDCWD, directory, NULL), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_of_an_environment_file_is_read_as_compose_does),
        cmocka_unit_test(versions_of_compose_are_read),
        cmocka_unit_test(the_files_in_force_are_those_that_compose_takes),
    };
    return RUN(tests);
}
