/* jq programs. See jq.h. */

#include "probes/jq.h"

#include <errno.h>
#include <fcntl.h>
#include <jq.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define VALUES_LIMIT 100000
#define CHECK_TIME (10 * USEC_PER_SEC)
#define WORDS_LIMIT 300

/* jq says "jq: error: syntax error, … at <top-level>, line 1:\n<program>" and then counts the errors: the
 * first sentence says it all. */
static void keep_first_words(void *userdata, jv message) {
    struct buffer *words = userdata;
    message = jq_format_error(message);
    const char *text = jv_get_kind(message) == JV_KIND_STRING ? jv_string_value(message) : "";
    if (string_starts_with(text, "jq: error: "))
        text += strlen("jq: error: ");
    if (words->size == 0)
        buffer_append(words, text,
                      strnlen(text, strcspn(text, "\n") < WORDS_LIMIT ? strcspn(text, "\n") : WORDS_LIMIT));
    jv_free(message);
}

static jv jv_of(const json_t *value) {
    _cleanup_free_ char *text = value ? json_text(value) : xstrdup("null");
    return jv_parse(text);
}

static json_t *json_of(jv value) {
    jv text = jv_dump_string(value, 0);
    json_t *json = json_loads(jv_string_value(text), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    jv_free(text);
    return json ? json : json_null();
}

static int compile(jq_state *jq, const char *program, const json_t *baseline, struct error *err) {
    struct buffer words = { 0 };
    jq_set_error_cb(jq, keep_first_words, &words);
    /* An object, not jq's list of names and values: with that, Debian's 1.6-2.1+deb12u2 frees twice. */
    jv arguments = jv_object_set(jv_object(), jv_string("baseline"), jv_of(baseline));
    int compiled = jq_compile_args(jq, program, arguments);
    jq_set_error_cb(jq, NULL, NULL);
    if (!compiled)
        error_set(err, EINVAL, "expected a jq program, \"%s\" has: %s", program,
                  words.text ? words.text : "an error");
    buffer_done(&words);
    return compiled ? 0 : -EINVAL;
}

struct jq_programs {
    struct {
        char *program;
        jq_state *jq;
    } * list;
    size_t count;
};

/* $baseline is bound when it runs, so that one compiled program serves all baselines: see input_of(). */
static jq_state *compile_for_any(const char *program) {
    _cleanup_free_ char *text = xasprintf(".[1] as $baseline | .[0] | (%s\n)", program);
    jq_state *jq = jq_init();
    if (!jq)
        return NULL;
    struct buffer words = { 0 };
    jq_set_error_cb(jq, keep_first_words, &words);
    int compiled = jq_compile(jq, text);
    jq_set_error_cb(jq, NULL, NULL);
    buffer_done(&words);
    if (!compiled)
        jq_teardown(&jq);
    return jq;
}

static jv input_of(const json_t *input, const json_t *baseline) {
    return jv_array_append(jv_array_append(jv_array(), jv_of(input)), jv_of(baseline));
}

static jq_state *find(const struct jq_programs *programs, const char *program) {
    for (size_t i = 0; programs && i < programs->count; i++)
        if (string_equal(programs->list[i].program, program))
            return programs->list[i].jq;
    return NULL;
}

void jq_programs_add(struct jq_programs **programs, const char *program) {
    jq_state *jq = find(*programs, program) ? NULL : compile_for_any(program);
    if (!jq)
        return;
    struct jq_programs *own = *programs ? *programs : xcalloc(1, sizeof(*own));
    own->list = xrealloc(own->list, own->count + 1, sizeof(*own->list));
    own->list[own->count].program = xstrdup(program);
    own->list[own->count++].jq = jq;
    *programs = own;
}

void jq_programs_free(struct jq_programs *programs) {
    if (!programs)
        return;
    for (size_t i = 0; i < programs->count; i++) {
        free(programs->list[i].program);
        jq_teardown(&programs->list[i].jq);
    }
    free(programs->list);
    free(programs);
}

/* Takes the final, invalid value of jq_next(). */
static int end_of(jq_state *jq, jv last, struct error *err) {
    if (jv_invalid_has_msg(jv_copy(last))) {
        jv message = jv_invalid_get_msg(last);
        jv text = jv_get_kind(message) == JV_KIND_STRING ? message : jv_dump_string(message, 0);
        const char *words = jv_string_value(text);
        error_set(err, EDOM, "%.*s", WORDS_LIMIT, words);
        jv_free(text);
        return -EDOM;
    }
    jv_free(last);
    return jq_halted(jq) ? error_set(err, EDOM, "halted") : 0;
}

/* Takes @input. */
static int run(jq_state *jq, jv input, json_t **ret, struct error *err) {
    _cleanup_json_ json_t *values = json_array();
    jq_start(jq, input, 0);
    jv value = jq_next(jq);
    while (jv_is_valid(value) && json_array_size(values) < VALUES_LIMIT) {
        json_array_append_new(values, json_of(value));
        value = jq_next(jq);
    }
    int r = 0;
    if (jv_is_valid(value)) {
        jv_free(value);
        r = error_set(err, E2BIG, "gave more than %d values", VALUES_LIMIT);
    } else {
        r = end_of(jq, value, err);
    }
    if (r == 0)
        *ret = take_ptr(values);
    return r;
}

int jq_run(const struct jq_programs *prepared, const char *program, const json_t *input,
           const json_t *baseline, json_t **ret, struct error *err) {
    jq_state *jq = find(prepared, program);
    if (jq)
        return run(jq, input_of(input, baseline), ret, err);
    jq = jq_init();
    if (!jq)
        return error_set(err, ENOMEM, "jq could not be started");
    int r = compile(jq, program, baseline, err);
    r = r < 0 ? r : run(jq, jv_of(input), ret, err);
    jq_teardown(&jq);
    return r;
}

static _Noreturn void check_in_child(const char *program, int fd) {
    _cleanup_error_ struct error err = ERROR_NONE;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    jq_state *jq = jq_init();
    int r = jq ? compile(jq, program, NULL, &err) : -ENOMEM;
    if (r < 0)
        write_all(fd, error_text(&err), strlen(error_text(&err)));
    _exit(r < 0 ? 1 : 0);
}

int jq_check(const char *program, struct error *err) {
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return error_errno(err, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0)
        check_in_child(program, pipes[1]);
    close(pipes[1]);
    _cleanup_close_ int fd = pipes[0];
    if (pid < 0)
        return error_errno(err, errno, "cannot start a child");
    struct buffer words = { 0 };
    usec_t deadline = deadline_in(CHECK_TIME);
    char block[4096];
    ssize_t size = 1;
    while (size > 0) {
        struct pollfd polled = { fd, POLLIN, 0 };
        size = poll(&polled, 1, deadline_poll(deadline)) > 0 ? read(fd, block, sizeof(block)) : -1;
        if (size > 0)
            buffer_append(&words, block, (size_t)size);
    }
    if (size < 0)
        kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    _cleanup_free_ char *text = buffer_take(&words);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return error_set(err, EINVAL, "%s", *text ? text : "expected a jq program that can be compiled");
}
