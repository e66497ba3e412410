/* How a unit ended, and whether a person has to know. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/commands/failure.h"

static void only_what_nobody_has_told_is_told(void **state) {
    (void)state;
    static const struct {
        const char *active, *result;
        int status;
        bool told;
        const char *wrong, *says; /* NULL: nothing */
    } cases[] = {
        { "failed", "start-limit-hit", 0, false, NULL, "not started any more" },
        { "failed", "watchdog", 6, false, NULL, "stood still" },
        { "failed", "signal", 9, false, NULL, "killed by a signal, and is not started again" },
        { "failed", "oom-kill", 9, true, NULL, "want of memory" },
        { "activating", "watchdog", 6, false, NULL, NULL }, /* about to be started again */
        { "inactive", "success", 0, false, NULL, NULL },
        { "active", "success", 0, false, NULL, NULL },
        { "failed", "exit-code", 1, false, NULL, NULL },
        { "failed", "exit-code", 5, false, NULL, NULL },
        { "failed", "exit-code", 7, false, NULL, NULL },
        { "failed", "exit-code", 6, true, NULL, NULL },
        { "failed", "exit-code", 6, false, NULL, "could not be ended" },
        { "failed", "exit-code", 3, false, "/etc/x.conf:3: what",
          "configuration is wrong: /etc/x.conf:3: what" },
        { "failed", "exit-code", 3, false, NULL, "configuration was wrong" },
        { "failed", "exit-code", 203, false, NULL, "exit status 203" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *sentence = NULL;
        const struct unit_state unit = { .active = (char *)cases[i].active,
                                         .result = (char *)cases[i].result,
                                         .status = cases[i].status };
        int r = failure_of_unit("u.service", &unit, cases[i].told, cases[i].wrong, &sentence);
        if (r != (cases[i].says != NULL) || (r && !strstr(sentence, cases[i].says)))
            fail_msg("case %zu: %d \"%s\"", i, r, sentence ? sentence : "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_nobody_has_told_is_told),
    };
    return RUN(tests);
}
