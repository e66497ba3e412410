/* Parsers for values. See keys.h. */

#include "probes/keys.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "probes/jq.h"
#include "probes/pattern.h"
#include "watchdog/base/memory.h"

int key_text(const char *value, void *target, struct error *err) {
    if (!*value)
        return error_set(err, EINVAL, "expected a value");
    char **text = target;
    replace_string(*text, xstrdup(value));
    return 0;
}

int key_texts(const char *value, void *target, struct error *err) {
    if (!*value)
        return error_set(err, EINVAL, "expected a value");
    strings_append(target, value);
    return 0;
}

int key_names(const char *value, void *target, struct error *err) {
    for (const char *at = value + strspn(value, " \t,"); *at; at += strspn(at, " \t,")) {
        size_t size = strcspn(at, " \t,");
        strings_appendf(target, "%.*s", (int)size, at);
        at += size;
    }
    char ***names = target;
    return *names ? 0 : error_set(err, EINVAL, "expected one or more names");
}

int key_yes(const char *value, void *target, struct error *err) {
    static const char *const words[][2] = {
        { "no", "yes" }, { "false", "true" }, { "0", "1" }, { "off", "on" }
    };
    bool *yes = target;
    for (size_t i = 0; i < ELEMENTS(words); i++)
        for (int k = 0; k < 2; k++)
            if (strcasecmp(value, words[i][k]) == 0) {
                *yes = k;
                return 0;
            }
    return error_set(err, EINVAL, "expected \"yes\" or \"no\", not \"%s\"", value);
}

int key_duration(const char *value, void *target, struct error *err) {
    usec_t *duration = target, parsed;
    int r = duration_parse(value, &parsed, err);
    if (r < 0)
        return r;
    if (parsed == 0)
        return error_set(err, EINVAL, "expected a time span over 0");
    *duration = parsed;
    return 0;
}

static int whole_number(const char *value, unsigned long most, const char *expected, void *target,
                        struct error *err) {
    unsigned *number = target;
    char *end = NULL;
    unsigned long parsed = *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;
    if (parsed == 0 || parsed > most || *(end + (*end == '%' && most == 100)))
        return error_set(err, EINVAL, "expected %s, not \"%s\"", expected, value);
    *number = (unsigned)parsed;
    return 0;
}

int key_count(const char *value, void *target, struct error *err) {
    return whole_number(value, 1000, "a number from 1 to 1000", target, err);
}

int key_share(const char *value, void *target, struct error *err) {
    return whole_number(value, 100, "a share from 1% to 100%", target, err);
}

int key_bytes(const char *value, void *target, struct error *err) {
    size_t *bytes = target;
    char *end;
    errno = 0;
    unsigned long number = *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;
    size_t factor = 0;
    if (number > 0 && errno == 0)
        factor = strcmp(end, "") == 0    ? 1
                 : strcmp(end, "K") == 0 ? 1024
                 : strcmp(end, "M") == 0 ? 1024 * 1024
                                         : 0;
    if (!factor || number > SIZE_MAX / factor)
        return error_set(err, EINVAL,
                         "expected a size in bytes, or with \"K\" or \"M\", as in \"8M\", not \"%s\"", value);
    *bytes = number * factor;
    return 0;
}

static int check_pattern(const char *value, struct error *err) {
    _cleanup_pattern_ struct pattern *pattern = NULL;
    if (!*value)
        return error_set(err, EINVAL, "expected a PCRE2 pattern");
    return pattern_new(value, &pattern, err);
}

int key_pattern(const char *value, void *target, struct error *err) {
    int r = check_pattern(value, err);
    return r < 0 ? r : key_text(value, target, err);
}

int key_patterns(const char *value, void *target, struct error *err) {
    int r = check_pattern(value, err);
    return r < 0 ? r : key_texts(value, target, err);
}

static int check_jq(const char *value, struct error *err) {
    return *value ? jq_check(value, err) : error_set(err, EINVAL, "expected a jq program");
}

int key_jq(const char *value, void *target, struct error *err) {
    int r = check_jq(value, err);
    return r < 0 ? r : key_text(value, target, err);
}

int key_jqs(const char *value, void *target, struct error *err) {
    int r = check_jq(value, err);
    return r < 0 ? r : key_texts(value, target, err);
}
