/* How a unit failed. See failure.h. */

#include "watchdog/commands/failure.h"

#include <stddef.h>

#include "watchdog/transaction/supervisor.h"

/* systemd.service(5), Result=; what is none of them is told by its name. A unit that is started again after
 * such an end has failed only when its start limit was reached; its result is that of the first end then. */
static const char *meaning(const char *result) {
    static const struct {
        const char *result, *meaning;
    } meanings[] = {
        { "start-limit-hit", "it failed again and again, and is not started any more for a while" },
        { "watchdog",
          "its main loop stood still, systemd killed it, and does not start it again for a while" },
        { "timeout", "it did not start or stop in its time" },
        { "signal", "it was killed by a signal, and is not started again for a while" },
        { "core-dump", "it crashed, and is not started again for a while" },
        { "oom-kill", "it was killed for want of memory, and is not started again for a while" },
        { "resources", "systemd could not start it" },
    };
    for (size_t i = 0; i < ELEMENTS(meanings); i++)
        if (string_equal(meanings[i].result, result))
            return meanings[i].meaning;
    return NULL;
}

int failure_of_unit(const char *name, const struct unit_state *state, bool told, const char *wrong,
                    char **ret) {
    const char *means = meaning(state->result);
    /* one that is about to be started again is "activating" */
    if (!string_equal(state->active, "failed"))
        return 0;
    if (means) {
        *ret = xasprintf("%s: %s", name, means);
        return 1;
    }
    switch (state->status) {
    case EXIT_CONFIGURATION:
        *ret = wrong ? xasprintf("the configuration is wrong: %s", wrong)
                     : xasprintf("%s: the configuration was wrong", name);
        return 1;
    case EXIT_INCOMPLETE:
        if (told)
            return 0;
        *ret = xasprintf("%s: a transaction could not be ended", name);
        return 1;
    case EXIT_DONE:
    case EXIT_ABORTED:
    case EXIT_REFUSED:
    case EXIT_ROLLED_BACK:
    case EXIT_LOCKED:
        return 0;
    default:
        *ret = xasprintf("%s: ended with exit status %d (%s)", name, state->status, state->result);
        return 1;
    }
}
