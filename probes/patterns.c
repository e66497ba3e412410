/* Several patterns at once. See patterns.h. */

#include "probes/patterns.h"

#include <errno.h>

#include "probes/migrations.h"
#include "watchdog/base/memory.h"

static int append(struct pattern ***list, size_t count, const char *text, struct error *err) {
    struct pattern *pattern;
    int r = pattern_new(text, &pattern, err);
    if (r < 0)
        return r;
    *list = xrealloc(*list, count + 1, sizeof(**list));
    (*list)[count] = pattern;
    return 0;
}

static bool has_needle(const struct patterns *patterns, const char *needle) {
    for (size_t i = 0; i < patterns->named_count; i++)
        if (patterns->needle_list[i] == needle)
            return true;
    return false;
}

static int add_set(struct patterns *patterns, const char *name, struct error *err) {
    const struct pattern_set *set = migration_patterns_find(name);
    if (!set)
        return error_set(err, EINVAL, "there are no patterns \"@%s\"", name);
    if (has_needle(patterns, set->patterns[0].needle))
        return 0; /* the same set again */
    for (size_t i = 0; set->patterns[i].text; i++) {
        int r = append(&patterns->named, patterns->named_count, set->patterns[i].text, err);
        if (r < 0)
            return r;
        patterns->needle_list = xrealloc(patterns->needle_list, patterns->named_count + 1, sizeof(char *));
        patterns->needle_list[patterns->named_count++] = set->patterns[i].needle;
    }
    return 0;
}

int patterns_add(struct patterns *patterns, const char *text, struct error *err) {
    if (*text == '@')
        return add_set(patterns, text + 1, err);
    int r = append(&patterns->list, patterns->count, text, err);
    patterns->count += r == 0;
    return r;
}

void patterns_ready(struct patterns *patterns) {
    if (patterns->named_count > 0 && !patterns->needles)
        patterns->needles = needles_new(patterns->needle_list, patterns->named_count);
}

void patterns_done(struct patterns *patterns) {
    for (size_t i = 0; i < patterns->count; i++)
        pattern_free(patterns->list[i]);
    for (size_t i = 0; i < patterns->named_count; i++)
        pattern_free(patterns->named[i]);
    free(patterns->list);
    free(patterns->named);
    free(patterns->needle_list);
    needles_free(patterns->needles);
    *patterns = (struct patterns){ 0 };
}

static int match_named(const struct patterns *patterns, const char *text, size_t size, struct error *err) {
    struct needles_found found = { 0 };
    if (!patterns->needles || !needles_find(patterns->needles, text, size, &found))
        return 0;
    int r = 0;
    for (size_t i = 0; i < patterns->named_count && r == 0; i++)
        if (needles_has(&found, i))
            r = pattern_match(patterns->named[i], text, size, err);
    return r;
}

int patterns_match(const struct patterns *patterns, const char *text, size_t size, bool is_data,
                   struct error *err) {
    int r = is_data ? 0 : match_named(patterns, text, size, err);
    for (size_t i = 0; i < patterns->count && r == 0; i++)
        r = pattern_match(patterns->list[i], text, size, err);
    return r;
}

bool patterns_may_match(const struct patterns *patterns, const char *text, size_t size) {
    struct needles_found found = { 0 };
    return patterns->count > 0 || (patterns->needles && needles_find(patterns->needles, text, size, &found));
}
