/* Several patterns at once. See patterns.h. */

#include "probes/patterns.h"

#include <errno.h>

#include "probes/migrations.h"
#include "watchdog/base/memory.h"

static int add_set(struct patterns *patterns, const char *name, struct error *err) {
    const struct pattern_set *set = migration_patterns_find(name);
    if (!set)
        return error_set(err, EINVAL, "there are no patterns \"@%s\"", name);
    for (size_t i = 0; set->patterns[i]; i++)
        strings_append(&patterns->named, set->patterns[i]);
    return 0;
}

int patterns_add(struct patterns *patterns, const char *text, struct error *err) {
    if (*text == '@')
        return add_set(patterns, text + 1, err);
    struct pattern *pattern;
    int r = pattern_new(text, &pattern, err);
    if (r < 0)
        return r;
    patterns->list = xrealloc(patterns->list, patterns->count + 1, sizeof(struct pattern *));
    patterns->list[patterns->count++] = pattern;
    return 0;
}

int patterns_ready(struct patterns *patterns, struct error *err) {
    if (!patterns->named || patterns->sets)
        return 0;
    _cleanup_buffer_ struct buffer any = { 0 };
    for (char **text = patterns->named; *text; text++)
        buffer_printf(&any, "%s(?:%s)", any.size ? "|" : "", *text);
    return pattern_new(any.text, &patterns->sets, err);
}

void patterns_done(struct patterns *patterns) {
    for (size_t i = 0; i < patterns->count; i++)
        pattern_free(patterns->list[i]);
    free(patterns->list);
    strings_free(patterns->named);
    pattern_free(patterns->sets);
    *patterns = (struct patterns){ 0 };
}

int patterns_match(const struct patterns *patterns, const char *text, size_t size, bool is_data,
                   struct error *err) {
    int r = patterns->sets && !is_data ? pattern_match(patterns->sets, text, size, err) : 0;
    for (size_t i = 0; i < patterns->count && r == 0; i++)
        r = pattern_match(patterns->list[i], text, size, err);
    return r;
}
