/*
 * Kind=command: a program that looks, by the convention of Nagios' plug-ins. It gets a clean environment, an
 * empty descriptor table and a process group of its own, and nothing of it lives longer than its look.
 */

#include "probes/command.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probes/http.h"
#include "watchdog/base/json.h"
#include "watchdog/base/process.h"
#include "watchdog/config/settings.h"

#define OUTPUT_LIMIT ((size_t)1024 * 1024)
#define LINE_LIMIT_SHOWN 160
#define EVIDENCE_LIMIT 400
#define OWN_VARIABLES 6                  /* those that fill() begins with */
#define SWEEP_TIME (500 * USEC_PER_MSEC) /* less than what a look may take beyond its time */

/* monitoring-plugins.org, Development Guidelines, "Plugin Return Codes" */
enum {
    EXIT_OK = 0,
    EXIT_WARNING = 1,
    EXIT_CRITICAL = 2,
    EXIT_UNKNOWN = 3,
    EXIT_CANNOT_RUN = 126,
    EXIT_NOT_FOUND = 127
};

struct command_look {
    const struct probe_look *look;
    const struct command_settings *settings;
    struct probe_report *report;
    struct secrets secrets;
    char **environment;
    char *input;
    const char *name; /* for people: the last part of the path */
};

static void wipe(char **list) {
    for (size_t i = 0; list && list[i]; i++)
        explicit_bzero(list[i], strlen(list[i]));
    strings_free(list);
}

static int fill(struct command_look *command, struct error *err) {
    const struct settings *application = command->look->view->settings;
    const char *base = application->application.base_url;
    _cleanup_free_ char *way = http_way(command->look);
    char ***environment = &command->environment;
    strings_append(environment, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    strings_append(environment, "LANG=C.UTF-8");
    strings_append(environment, "HOME=/");
    strings_appendf(environment, "UPGRADE_APP=%s", application->app);
    strings_appendf(environment, "UPGRADE_BASE_URL=%s", base ? base : "");
    strings_appendf(environment, "UPGRADE_CONNECT_TO=%s", way);
    int r = 0;
    for (char **entry = command->settings->environment; entry && *entry && r >= 0; entry++) {
        const char *value = strchr(*entry, '=') + 1;
        _cleanup_free_ char *filled = NULL;
        r = placeholders_fill(&command->secrets, value, PLACE_TEXT, &filled, err);
        if (r >= 0)
            strings_appendf(environment, "%.*s%s", (int)(value - *entry), *entry, filled);
        if (filled)
            explicit_bzero(filled, strlen(filled));
    }
    if (r >= 0 && command->settings->input)
        r = placeholders_fill(&command->secrets, command->settings->input, PLACE_TEXT, &command->input, err);
    return r;
}

/* Orphans of the command come to us (PR_SET_CHILD_SUBREAPER), also those that left its process group. One
 * that forks while we look is found in the next turn. */
static void sweep(void) {
    usec_t deadline = deadline_in(SWEEP_TIME);
    while (waitpid(-1, NULL, WNOHANG) >= 0) {
        process_kill_descendants(getpid());
        if (!deadline_sleep(deadline, USEC_PER_MSEC))
            return;
    }
}

/* As of process_run(). */
static int run_it(struct command_look *command, struct process_result *ret, struct error *err) {
    const struct process process = { .argv = command->settings->argv,
                                     .environment = command->environment,
                                     .directory = "/",
                                     .input = command->input,
                                     .deadline = command->look->deadline,
                                     .output_limit = OUTPUT_LIMIT };
    struct rlimit ours, theirs;
    /* what is a bound for jq is too little address space for some languages' runtimes */
    getrlimit(RLIMIT_AS, &ours);
    theirs = ours;
    theirs.rlim_cur = ours.rlim_max;
    setrlimit(RLIMIT_AS, &theirs);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* not even the lock, which other children hold */
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    int r = process_run(&process, ret, err);
    sweep();
    setrlimit(RLIMIT_AS, &ours);
    return r;
}

static char *first_line(const struct command_look *command, const struct process_result *result) {
    const struct buffer *from = result->output.size ? &result->output : &result->errors;
    size_t size = from->text ? strcspn(from->text, "\r\n|") : 0;
    while (size > 0 && from->text[size - 1] == ' ')
        size--;
    return secrets_excerpt(&command->secrets, from->text ? from->text : "", size, LINE_LIMIT_SHOWN);
}

static void show_evidence(struct command_look *command, const struct process_result *result) {
    const struct buffer *from = result->output.size ? &result->output : &result->errors;
    if (!command->report->evidence)
        command->report->evidence =
            secrets_excerpt(&command->secrets, from->text ? from->text : "", from->size, EVIDENCE_LIMIT);
}

static void judge_output(struct command_look *command, const struct process_result *result, usec_t took,
                         const char *line, json_t *captures) {
    struct judgement judgement = {
        .look = command->look,
        .settings = &command->settings->judge,
        .secrets = &command->secrets,
        .report = command->report,
        .subject = xasprintf("\"%s\"", command->name),
        .said = xasprintf("exited with 0%s%s", *line ? ": " : "", line),
        .what = "an output",
        .text = result->output.text ? result->output.text : "",
        .size = result->output.size,
        .took = took,
    };
    answer_begin(&judgement, captures);
    command->report->answered = !answer_judge(&judgement);
    answer_end(&judgement);
}

/* Returns what it captured, a new reference; NULL: it did not come to that. */
static json_t *judge(struct command_look *command, int r, const struct process_result *result, usec_t took,
                     const char *words) {
    struct probe_report *report = command->report;
    _cleanup_free_ char *line = first_line(command, result);
    bool exited = r >= 0 && WIFEXITED(result->status);
    int status = exited ? WEXITSTATUS(result->status) : -1;
    report->measured = json_pack("{s:I, s:I}", "exit", (json_int_t)status, "milliseconds",
                                 (json_int_t)(took / USEC_PER_MSEC));
    if (status == EXIT_OK) {
        json_t *captures = json_object();
        judge_output(command, result, took, line, captures);
        return captures;
    }
    if (!exited)
        probe_unknown(report, "\"%s\": %s", command->name, words);
    else if (status == EXIT_UNKNOWN || status == EXIT_CANNOT_RUN || status == EXIT_NOT_FOUND)
        probe_unknown(report, "\"%s\" exited with %d%s%s", command->name, status, *line ? ": " : "", line);
    else
        probe_fail(report, "\"%s\" exited with %d%s%s", command->name, status, *line ? ": " : "", line);
    show_evidence(command, result);
    return NULL;
}

static void explain(struct command_look *command, const struct process_result *result) {
    if (!command->look->explain)
        return;
    json_t *argv = json_array(), *environment = json_array();
    for (char **word = command->settings->argv; *word; word++)
        json_array_append_new(argv, json_text_string(*word));
    /* ours as they are, the others as written: a value that is too short to be masked is not shown either */
    for (size_t i = 0; i < OWN_VARIABLES && command->environment[i]; i++)
        json_array_append_new(environment, json_text_string(command->environment[i]));
    for (char **entry = command->settings->environment; entry && *entry; entry++)
        json_array_append_new(environment, json_text_string(*entry));
    _cleanup_free_ char *output =
                            secrets_excerpt(&command->secrets, result->output.text ? result->output.text : "",
                                            result->output.size, 2000),
                        *errors =
                            secrets_excerpt(&command->secrets, result->errors.text ? result->errors.text : "",
                                            result->errors.size, 2000);
    probe_explain(command->report, "request",
                  json_pack("{s:o, s:o, s:s?}", "command", argv, "environment", environment, "input",
                            command->settings->input));
    probe_explain(command->report, "answer",
                  json_pack("{s:i, s:o, s:o}", "status",
                            WIFEXITED(result->status) ? WEXITSTATUS(result->status) : -1, "output",
                            json_text_string(output), "errors", json_text_string(errors)));
}

static void load_captures(struct command_look *command) {
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)command->look->captures, name, value)
        secrets_add(&command->secrets, json_string_value(value));
}

static void run(const struct probe_look *look, struct probe_report *report) {
    const struct command_settings *settings = look->probe->settings;
    struct command_look command = { .look = look,
                                    .settings = settings,
                                    .report = report,
                                    .secrets = { .credentials = look->credentials,
                                                 .captures = look->captures } };
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_process_result_ struct process_result result = { 0 };
    command.name = strrchr(settings->argv[0], '/') + 1;
    load_captures(&command);
    if (command_check_file(settings->argv[0], &err) < 0 || fill(&command, &err) < 0) {
        _cleanup_free_ char *masked =
            secrets_mask(&command.secrets, error_text(&err), strlen(error_text(&err)));
        probe_unknown(report, "%s", masked);
    } else {
        usec_t begun = clock_boottime();
        int r = run_it(&command, &result, &err);
        usec_t took = clock_boottime() - begun;
        _cleanup_free_ char *words =
            secrets_mask(&command.secrets, error_text(&err), strlen(error_text(&err)));
        explain(&command, &result);
        json_t *captures = judge(&command, r, &result, took, words);
        if (captures)
            report->session = json_pack("{s:o, s:[]}", "captures", captures, "cookies");
    }
    wipe(command.environment);
    if (command.input)
        explicit_bzero(command.input, strlen(command.input));
    free(command.input);
    secrets_done(&command.secrets);
}

static int check(const struct probe *probe, const struct probe_set *set, const struct settings *settings,
                 struct error *err) {
    (void)set;
    const struct command_settings *own = probe->settings;
    return answer_check(&own->judge, false, settings, err);
}

static int ready(const struct probe *probe, struct error *err) {
    const struct command_settings *own = probe->settings;
    int r = command_check_file(own->argv[0], err);
    return r < 0 ? error_prefix(err, "Command=") : 0;
}

static void placeholders(const struct probe *probe, char ***names) {
    const struct command_settings *own = probe->settings;
    for (char **entry = own->environment; entry && *entry; entry++)
        placeholders_names(*entry, names);
    if (own->input)
        placeholders_names(own->input, names);
}

static void captures(const struct probe *probe, char ***names) {
    const struct command_settings *own = probe->settings;
    answer_captures(&own->judge, names);
}

static void prepare(struct probe *probe) {
    struct command_settings *own = probe->settings;
    answer_prepare(&own->judge);
}

static void done(void *settings) {
    struct command_settings *own = settings;
    answer_settings_done(&own->judge);
    strings_free(own->argv);
    strings_free(own->environment);
    free(own->input);
}

static const struct probe_key keys[] = {
    { "Command", key_command, offsetof(struct command_settings, argv), .required = true,
      .help = "an absolute path and arguments; no shell" },
    { "Environment", key_environment, offsetof(struct command_settings, environment), .repeatable = true,
      .help = "NAME=value: a variable for it; %{name} may stand in the value" },
    { "Input", key_input, offsetof(struct command_settings, input),
      .help = "what it reads on standard input; %{name} may stand in it" },
    ANSWER_KEYS,
    { 0 },
};

extern const struct probe_kind probe_command;
const struct probe_kind probe_command = {
    .name = "command",
    .help = "a program exits with 0, and says what it should",
    .keys = keys,
    .settings_size = sizeof(struct command_settings),
    .timeout = 30 * USEC_PER_SEC,
    .sandbox = SANDBOX_PROGRAMS,
    .check = check,
    .ready = ready,
    .placeholders = placeholders,
    .captures = captures,
    .prepare = prepare,
    .run = run,
    .done = done,
};
