/* PCRE2 patterns. See pattern.h. */

#include "probes/pattern.h"

#include <errno.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "watchdog/base/memory.h"

/* A sane pattern needs a few thousand steps on a page of text; these end within about a second. */
#define STEPS_LIMIT 5000000
#define DEPTH_LIMIT 100000
#define HEAP_LIMIT_KIB (64 * 1024)
#define JIT_STACK_BYTES ((size_t)1024 * 1024)

struct pattern {
    char *text;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static const char *words_of(int number, PCRE2_UCHAR8 text[256]) {
    return pcre2_get_error_message_8(number, text, 256) < 0 ? "unknown error" : (const char *)text;
}

int pattern_new(const char *text, struct pattern **ret, struct error *err) {
    int number;
    PCRE2_SIZE offset;
    PCRE2_UCHAR8 words[256];
    pcre2_code *code = pcre2_compile_8((PCRE2_SPTR8)text, PCRE2_ZERO_TERMINATED,
                                       PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &number, &offset, NULL);
    if (!code)
        return error_set(err, EINVAL, "expected a PCRE2 pattern, \"%s\" has at character %zu: %s", text,
                         (size_t)offset + 1, words_of(number, words));
    struct pattern *pattern = xcalloc(1, sizeof(*pattern));
    pattern->text = xstrdup(text);
    pattern->code = code;
    pattern->data = pcre2_match_data_create_from_pattern_8(code, NULL);
    pattern->context = pcre2_match_context_create_8(NULL);
    if (!pattern->data || !pattern->context)
        abort();
    pcre2_set_match_limit_8(pattern->context, STEPS_LIMIT);
    pcre2_set_depth_limit_8(pattern->context, DEPTH_LIMIT);
    pcre2_set_heap_limit_8(pattern->context, HEAP_LIMIT_KIB);
    /* Where there is no JIT the interpreter does the same, only slower. */
    if (pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE) == 0) {
        pattern->stack = pcre2_jit_stack_create_8(32 * 1024, JIT_STACK_BYTES, NULL);
        pcre2_jit_stack_assign_8(pattern->context, NULL, pattern->stack);
    }
    *ret = pattern;
    return 0;
}

void pattern_free(struct pattern *pattern) {
    if (!pattern)
        return;
    pcre2_jit_stack_free_8(pattern->stack);
    pcre2_match_context_free_8(pattern->context);
    pcre2_match_data_free_8(pattern->data);
    pcre2_code_free_8(pattern->code);
    free(pattern->text);
    free(pattern);
}

void cleanup_pattern(struct pattern **pattern) {
    pattern_free(*pattern);
}

/* As pattern_match(), from @from on. */
static int match_from(const struct pattern *pattern, const char *subject, size_t size, size_t from,
                      struct error *err) {
    int r =
        pcre2_match_8(pattern->code, (PCRE2_SPTR8)subject, size, from, 0, pattern->data, pattern->context);
    if (r >= 0)
        return 1;
    if (r == PCRE2_ERROR_NOMATCH)
        return 0;
    PCRE2_UCHAR8 words[256];
    return error_set(err, ELOOP, "the pattern \"%s\" was stopped: %s", pattern->text, words_of(r, words));
}

int pattern_match(const struct pattern *pattern, const char *subject, size_t size, struct error *err) {
    return match_from(pattern, subject, size, 0, err);
}

int pattern_find(const struct pattern *pattern, const char *subject, size_t size, size_t from,
                 struct pattern_range *ret, size_t count, struct error *err) {
    int r = match_from(pattern, subject, size, from, err);
    if (r <= 0)
        return r;
    const PCRE2_SIZE *ranges = pcre2_get_ovector_pointer_8(pattern->data);
    size_t groups = pcre2_get_ovector_count_8(pattern->data);
    for (size_t i = 0; i < count; i++) {
        bool is_set = i < groups && ranges[2 * i] != PCRE2_UNSET;
        ret[i] = (struct pattern_range){ is_set, is_set ? ranges[2 * i] : 0,
                                         is_set ? ranges[2 * i + 1] - ranges[2 * i] : 0 };
    }
    return 1;
}

int pattern_capture(const struct pattern *pattern, const char *subject, size_t size, char **ret,
                    size_t *ret_size, struct error *err) {
    int r = pattern_match(pattern, subject, size, err);
    if (r <= 0)
        return r;
    const PCRE2_SIZE *ranges = pcre2_get_ovector_pointer_8(pattern->data);
    size_t group = pcre2_get_ovector_count_8(pattern->data) > 1 ? 1 : 0;
    if (ranges[2 * group] == PCRE2_UNSET)
        return 0;
    struct buffer value = { 0 };
    buffer_append(&value, subject + ranges[2 * group], ranges[2 * group + 1] - ranges[2 * group]);
    *ret_size = value.size;
    *ret = buffer_take(&value);
    return 1;
}
