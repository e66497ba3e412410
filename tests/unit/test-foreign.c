/* Which calls of Compose are about the project. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/transaction/foreign.h"

static const struct {
    const char *line, *place;
    bool acts; /* on the project "qaid" in /srv/qaid */
} cases[] = {
    { "docker compose up -d", "/srv/qaid", true },
    { "/usr/libexec/docker/cli-plugins/docker-compose compose up -d", "/srv/qaid", true },
    { "docker-compose --ansi never --progress plain restart", "/srv/qaid", true },
    { "/usr/bin/python3 /usr/local/bin/docker-compose -f compose.yaml up", "/srv/qaid", true },
    { "docker --context default compose --profile tools run worker", "/srv/qaid", true },
    { "docker compose --all-resources down", "/srv/qaid", true },
    { "docker compose -p qaid up", "/root", true },
    { "docker compose -pqaid stop", "/root", true },
    { "docker compose --project-name=qaid stop", "/root", true },
    { "docker compose --project-directory /srv/qaid/ up", "/root", true },
    { "docker compose --project-directory ../srv/./qaid up", "/root", true },
    { "docker compose -f /srv/qaid/compose.yaml pull", "/root", true },
    { "docker compose --file=qaid/compose.yaml pull", "/srv", true },
    { "docker compose -f - up", "/srv/qaid", true },
    /* another application's */
    { "docker compose up -d", "/srv/qaid2", false },
    { "docker compose up -d", "/srv", false },
    { "docker compose up -d", "", false },
    { "docker-compose --project-directory /srv/qaid2 up", "/srv/qaid2", false },
    { "docker compose -f /srv/qaid2/compose.yaml up", "/root", false },
    { "docker compose -f /srv/qaid.yaml up", "/root", false },
    { "docker compose -f ../qaid2/compose.yaml up", "/srv/qaid", false },
    { "docker compose -p qaid2 up", "/srv/qaid", false },
    /* a service, or something else, of the project's name */
    { "docker compose up qaid", "/srv/other", false },
    { "docker compose -f compose.yaml up --scale qaid=2", "/srv/other", false },
    { "docker compose --profile qaid up", "/srv/other", false },
    /* commands that change nothing, whatever they are given */
    { "docker compose exec app npm run start", "/srv/qaid", false },
    { "docker compose logs -f up", "/srv/qaid", false },
    { "docker compose --file up config", "/srv/qaid", false },
    { "docker compose", "/srv/qaid", false },
    { "docker compose -f", "/srv/qaid", false },
    { "docker compose --help", "/srv/qaid", false },
    /* no calls of Compose */
    { "docker run compose up", "/srv/qaid", false },
    { "docker start qaid", "/srv/qaid", false },
    { "vim compose.yaml up", "/srv/qaid", false },
    { "python3", "/srv/qaid", false },
    { "", "/srv/qaid", false },
};

static void calls_of_this_project_that_change_containers_are_told_from_others(void **state) {
    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *line = xstrdup(cases[i].line);
        _cleanup_strings_ char **words = NULL;
        char *rest = line;
        for (char *word; (word = strsep(&rest, " "));)
            strings_append(&words, word);
        if (foreign_acts(words, cases[i].place, "/srv/qaid", "qaid") != cases[i].acts)
            fail_msg("%s in %s", cases[i].line, cases[i].place);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_this_project_that_change_containers_are_told_from_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
