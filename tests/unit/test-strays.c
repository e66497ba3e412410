/* Which containers of the project an upgrade would leave stopped. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/strays.h"

static const char everything[] = "{\"services\": {\"web\": {}, \"debug\": {\"profiles\": [\"tools\"]}}}";

static const struct {
    const char *service, *status, *policy;
    bool one_off;
    const char *ours;
    const char *sentence, *cure; /* NULL: none is missed */
} cases[] = {
    { "web", "running", "always", false, "", NULL, NULL },
    { "web", "exited", "always", false, "", NULL, NULL },
    { "web", "running", "no", true, "T-1", NULL, NULL },
    { "web", "running", "no", true, "", "`docker compose run` is running", "wait for its end" },
    { "web", "exited", "no", true, "", NULL, NULL },
    { "web", "exited", "always", true, "", NULL, NULL },
    { "debug", "running", "no", false, "", "of the profile \"tools\"", "Profile=tools" },
    { "debug", "exited", "no", false, "", NULL, NULL },
    { "debug", "exited", "unless-stopped", false, "", "of the profile \"tools\"", "Profile=tools" },
    { "worker", "running", "no", false, "", "(service \"worker\")", "--remove-orphans" },
    { "worker", "restarting", "always", false, "", "(service \"worker\")", "--remove-orphans" },
    { "worker", "created", "no", false, "", NULL, NULL },
    { "", "running", "no", false, "", "no service of its configuration", "--remove-orphans" },
};

static void what_would_stay_down_is_found_with_its_cure(void **state) {
    (void)state;
    struct service web = { .name = (char *)"web" };
    const struct project project = { .services = &web, .services_count = 1 };
    _cleanup_json_ json_t *all = json_loads(everything, 0, NULL);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        const struct container container = { .name = (char *)"app-x-1",
                                             .service = (char *)cases[i].service,
                                             .status = (char *)cases[i].status,
                                             .policy = (char *)cases[i].policy,
                                             .ours = (char *)cases[i].ours,
                                             .one_off = cases[i].one_off };
        struct finding *found = NULL;
        size_t count = 0;
        if (stray_is(&project, &container))
            stray_find(&container, all, &found, &count);
        if (count != (cases[i].sentence ? 1 : 0) ||
            (count &&
             (found[0].ok || found[0].advisory || !strstr(found[0].sentence, "app-x-1") ||
              !strstr(found[0].sentence, cases[i].sentence) || !strstr(found[0].cure, cases[i].cure))))
            fail_msg("case %zu: %s; %s", i, count ? found[0].sentence : "nothing",
                     count ? found[0].cure : "");
        findings_free(found, count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_would_stay_down_is_found_with_its_cure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
