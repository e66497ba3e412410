/* A program that is given a message. See program.h. */

#include "watchdog/notify/program.h"

#include <errno.h>
#include <string.h>

#include "probes/command.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/process.h"

#define OUTPUT_LIMIT ((size_t)64 * 1024)
#define MESSAGE_LIMIT ((size_t)100 * 1024) /* one variable may have 128 KiB: MAX_ARG_STRLEN, execve(2) */

int program_run(char *const *argv, char *const *variables, const char *input, usec_t deadline,
                struct error *err) {
    _cleanup_strings_ char **environment = NULL;
    _cleanup_process_result_ struct process_result result = { 0 };
    strings_append(&environment, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    strings_append(&environment, "LANG=C.UTF-8");
    strings_append(&environment, "HOME=/root");
    for (char *const *variable = variables; variable && *variable; variable++)
        strings_append(&environment, *variable);
    const struct process process = { .argv = argv,
                                     .environment = environment,
                                     .directory = "/",
                                     .input = input,
                                     .deadline = deadline,
                                     .output_limit = OUTPUT_LIMIT };
    int r = process_run(&process, &result, err);
    return r <= 0 ? r : error_set(err, EPROTO, "\"%s\" exited with %d: %s", argv[0], r, error_text(err));
}

/* A NUL cannot come: JSON texts of ours hold none. */
static void add_variable(char ***variables, const char *name, const json_t *said, const char *key) {
    strings_appendf(variables, "%s=%s", name, json_get_string(said, key, ""));
}

int program_tell(const char *command, const json_t *said, usec_t deadline, struct error *err) {
    _cleanup_strings_ char **argv = NULL, **variables = NULL;
    int r = key_command(command, &argv, err);
    if (r < 0)
        return r;
    add_variable(&variables, "UPGRADE_APP", said, "app");
    add_variable(&variables, "UPGRADE_ID", said, "id");
    add_variable(&variables, "UPGRADE_KIND", said, "kind");
    add_variable(&variables, "UPGRADE_OUTCOME", said, "outcome");
    add_variable(&variables, "UPGRADE_REASON", said, "reason");
    add_variable(&variables, "UPGRADE_URGENCY", said, "urgency");
    add_variable(&variables, "UPGRADE_SUBJECT", said, "subject");
    _cleanup_free_ char *json = json_text(said);
    if (strlen(json) < MESSAGE_LIMIT)
        strings_appendf(&variables, "UPGRADE_MESSAGE=%s", json);
    _cleanup_free_ char *input =
        xasprintf("%s\n\n%s", json_get_string(said, "subject", ""), json_get_string(said, "text", ""));
    return program_run(argv, variables, input, deadline, err);
}
