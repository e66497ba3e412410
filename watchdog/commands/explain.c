/* A probe that explains itself. See explain.h. */

#include "watchdog/commands/explain.h"

#include <ctype.h>
#include <string.h>

#include "watchdog/base/json.h"

#define INDENT "  "

/* Text as it is, everything else as JSON. Owned by the caller. */
static char *shown(const json_t *value) {
    return json_is_string(value) ? xstrdup(json_string_value(value)) : json_text(value);
}

static void print_member(struct terminal *terminal, const char *name, const json_t *value) {
    size_t i;
    const json_t *element;
    if (json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0) ||
        (json_is_string(value) && json_string_length(value) == 0))
        return;
    if (!json_is_array(value)) {
        _cleanup_free_ char *text = shown(value);
        terminal_print(terminal, TONE_PLAIN, INDENT "%s: %s", name, text);
        return;
    }
    terminal_print(terminal, TONE_PLAIN, INDENT "%s:", name);
    json_array_foreach(value, i, element) {
        _cleanup_free_ char *text = shown(element);
        terminal_print(terminal, TONE_PLAIN, INDENT INDENT "%s", text);
    }
}

/* "Assert=.a > 1: holds" and the values below it; or all members in one line. */
static void print_step(struct terminal *terminal, const json_t *step) {
    const char *key = json_get_string(step, "key", NULL), *outcome = json_get_string(step, "outcome", "");
    const json_t *values = json_object_get(step, "values");
    if (!key) {
        _cleanup_free_ char *text = shown(step);
        terminal_print(terminal, TONE_PLAIN, INDENT "%s", text);
        return;
    }
    terminal_print(terminal, TONE_PLAIN, INDENT "%s=%s: %s", key, json_get_string(step, "program", ""),
                   outcome);
    if (values) {
        _cleanup_free_ char *text = json_text(values);
        terminal_print(terminal, TONE_FAINT, INDENT INDENT "gave %s", text);
    }
}

static void print_section(struct terminal *terminal, const char *name, const json_t *section) {
    const char *member;
    const json_t *value;
    size_t i;
    _cleanup_free_ char *title = xstrdup(name);
    title[0] = (char)toupper((unsigned char)title[0]);
    if (json_is_string(section)) {
        terminal_print(terminal, TONE_STRONG, "%s: %s", title, json_string_value(section));
        return;
    }
    terminal_print(terminal, TONE_STRONG, "%s", title);
    json_object_foreach((json_t *)section, member, value) print_member(terminal, member, value);
    json_array_foreach(section, i, value) print_step(terminal, value);
}

void explain_print(struct terminal *terminal, const json_t *report) {
    static const char *const sections[] = { "request", "way",       "connection", "answer",
                                            "assets",  "judgement", "baseline" };
    const json_t *explained = json_object_get(report, "explained");
    for (size_t i = 0; i < ELEMENTS(sections); i++)
        if (json_object_get(explained, sections[i]))
            print_section(terminal, sections[i], json_object_get(explained, sections[i]));
    if (json_object_size(json_object_get(report, "measured")) > 0)
        print_section(terminal, "measured", json_object_get(report, "measured"));
    print_member(terminal, "evidence", json_object_get(report, "evidence"));
}

const json_t *explain_which(const json_t *reports, const char *name) {
    const json_t *named = NULL, *waited_for = NULL, *report;
    size_t i;
    json_array_foreach(reports, i, report) {
        if (string_equal(json_get_string(report, "probe", ""), name))
            named = report;
        else if (!waited_for && !string_equal(json_get_string(report, "result", ""), "pass") &&
                 json_object_get(report, "explained"))
            waited_for = report;
    }
    return waited_for && named && !json_object_get(named, "explained") ? waited_for : named;
}

void explain_seen(struct terminal *terminal, const json_t *report) {
    const json_t *measured = json_object_get(report, "measured");
    const char *type = json_get_string(measured, "type", ""), *keys = json_get_string(measured, "keys", NULL);
    char bytes[BYTES_SIZE];
    if (!json_object_get(measured, "status"))
        return;
    bytes_format(bytes, (uint64_t)json_get_integer(measured, "bytes", 0));
    terminal_print(terminal, TONE_FAINT, INDENT "%s: %lld, %lld ms, %s, %s%s%s",
                   json_get_string(report, "probe", ""), (long long)json_get_integer(measured, "status", 0),
                   (long long)json_get_integer(measured, "milliseconds", 0), bytes, *type ? type : "no type",
                   keys ? ": " : "", keys ? keys : "");
}
