/* Values of the keys that answer.c judges. */

#include "probes/answer.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "probes/jq.h"
#include "probes/pattern.h"
#include "watchdog/config/settings.h"

#define FACTOR_LEAST 1.5
#define FACTOR_MOST 1000.0

const struct probe_key answer_keys[] = { ANSWER_KEYS, { 0 } };

static int check_source(enum answer_source from, const char *source, struct error *err) {
    _cleanup_pattern_ struct pattern *pattern = NULL;
    switch (from) {
    case ANSWER_JQ:
        return jq_check(source, err);
    case ANSWER_PATTERN:
        return pattern_new(source, &pattern, err);
    case ANSWER_FIELD:
        break;
    case ANSWER_HEADER:
    case ANSWER_COOKIE:
        /* RFC 9110, section 5.6.2: a token */
        for (const char *at = source; *at; at++)
            if (!isalnum((unsigned char)*at) && !strchr("!#$%&'*+-.^_`|~", *at))
                return error_set(err, EINVAL, "expected the name of a %s, not \"%s\"",
                                 from == ANSWER_HEADER ? "header" : "cookie", source);
        break;
    }
    return 0;
}

int key_capture(const char *value, void *target, struct error *err) {
    struct answer_settings *settings = target;
    static const char kinds[] = { [ANSWER_JQ] = '=',
                                  [ANSWER_PATTERN] = '~',
                                  [ANSWER_FIELD] = '@',
                                  [ANSWER_HEADER] = ':',
                                  [ANSWER_COOKIE] = '$' };
    size_t size = 0;
    while (isalnum((unsigned char)value[size]) || value[size] == '_' || value[size] == '-')
        size++;
    const char *kind = value[size] ? memchr(kinds, value[size], sizeof(kinds)) : NULL;
    const char *source = value + size + (value[size] != '\0');
    if (!size || !kind || !*source)
        return error_set(err, EINVAL,
                         "expected \"name=JQ\", \"name~PATTERN\", \"name@FIELD\", \"name:HEADER\" or "
                         "\"name$COOKIE\", as in \"token=.token\", not \"%s\"",
                         value);
    enum answer_source from = (enum answer_source)(kind - kinds);
    int r = check_source(from, source, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < settings->captures.count; i++)
        if (strlen(settings->captures.list[i].name) == size &&
            strncmp(settings->captures.list[i].name, value, size) == 0)
            return error_set(err, EINVAL, "\"%.*s\" is captured twice", (int)size, value);
    settings->captures.list =
        xrealloc(settings->captures.list, settings->captures.count + 1, sizeof(*settings->captures.list));
    settings->captures.list[settings->captures.count++] =
        (struct answer_capture){ xstrndup(value, size), xstrdup(source), from };
    return 0;
}

int key_max_time(const char *value, void *target, struct error *err) {
    struct answer_settings *settings = target;
    char *end;
    double factor = isdigit((unsigned char)*value) ? strtod(value, &end) : 0;
    bool is_factor = factor > 0 && string_equal(end, "x");
    usec_t fixed = 0;
    if (is_factor && !(factor >= FACTOR_LEAST && factor <= FACTOR_MOST))
        return error_set(err, EINVAL, "expected a multiple between 1.5x and 1000x, not \"%s\"", value);
    if (!is_factor && key_duration(value, &fixed, NULL) < 0)
        return error_set(err, EINVAL,
                         "expected a time, as in \"2s\", or a multiple of the baseline's, as in \"3x\", not "
                         "\"%s\"",
                         value);
    settings->max_time.fixed = fixed;
    settings->max_time.factor = is_factor ? factor : 0;
    replace_string(settings->max_time.text, xstrdup(value));
    return 0;
}

int key_same(const char *value, void *target, struct error *err) {
    struct answer_settings *settings = target;
    int r = *value == '~' ? check_source(ANSWER_PATTERN, value + 1, err) : jq_check(value, err);
    if (r >= 0)
        replace_string(settings->same, xstrdup(value));
    return r;
}

int key_version(const char *value, void *target, struct error *err) {
    struct answer_settings *settings = target;
    int r = *value == '~' ? check_source(ANSWER_PATTERN, value + 1, err) : jq_check(value, err);
    if (r >= 0)
        replace_string(settings->version, xstrdup(value));
    return r;
}

int answer_check(const struct answer_settings *settings, bool is_http, const struct settings *application,
                 struct error *err) {
    (void)application;
    for (size_t i = 0; i < settings->captures.count && !is_http; i++)
        if (settings->captures.list[i].from == ANSWER_HEADER ||
            settings->captures.list[i].from == ANSWER_COOKIE)
            return error_set(err, EINVAL, "Capture=: headers and cookies are there with Kind=http only");
    if (settings->version_of && !settings->version)
        return error_set(err, EINVAL, "VersionOf=: expected Version= with it");
    return 0;
}

void answer_prepare(struct answer_settings *settings) {
    for (char **program = settings->asserts; program && *program; program++)
        jq_programs_add(&settings->prepared, *program);
    if (settings->same && *settings->same != '~')
        jq_programs_add(&settings->prepared, settings->same);
    if (settings->version && *settings->version != '~')
        jq_programs_add(&settings->prepared, settings->version);
    for (size_t i = 0; i < settings->captures.count; i++)
        if (settings->captures.list[i].from == ANSWER_JQ)
            jq_programs_add(&settings->prepared, settings->captures.list[i].source);
}

void answer_captures(const struct answer_settings *settings, char ***names) {
    for (size_t i = 0; i < settings->captures.count; i++)
        strings_append(names, settings->captures.list[i].name);
}

void answer_settings_done(struct answer_settings *settings) {
    for (size_t i = 0; i < settings->captures.count; i++) {
        free(settings->captures.list[i].name);
        free(settings->captures.list[i].source);
    }
    free(settings->captures.list);
    jq_programs_free(settings->prepared);
    strings_free(settings->match);
    strings_free(settings->no_match);
    strings_free(settings->asserts);
    free(settings->same);
    free(settings->max_time.text);
    free(settings->version);
    free(settings->version_of);
}
