/* One key's value: read, reset, written back. See setting.h. */

#include "watchdog/config/setting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/memory.h"

static void *place(const struct setting *setting, struct settings *settings) {
    return (char *)settings + setting->offset;
}

static const void *place_const(const struct setting *setting, const struct settings *settings) {
    return (const char *)settings + setting->offset;
}

const struct setting *setting_find(const char *section, const char *key) {
    for (const struct setting *setting = settings_table; setting->section; setting++)
        if (string_equal(setting->section, section) && string_equal(setting->key, key))
            return setting;
    return NULL;
}

int setting_section_known(const char *section) {
    for (const struct setting *setting = settings_table; setting->section; setting++)
        if (string_equal(setting->section, section))
            return 1;
    return 0;
}

/* The largest unit that says it exactly. */
static char *duration_exact(const struct setting *setting, usec_t duration) {
    static const struct {
        const char *name;
        usec_t size;
    } units[] = { { "d", USEC_PER_DAY }, { "h", USEC_PER_HOUR },  { "min", USEC_PER_MINUTE },
                  { "s", USEC_PER_SEC }, { "ms", USEC_PER_MSEC }, { "us", 1 } };
    if (duration == 0)
        return xstrdup(setting->word ? setting->word : "0");
    size_t i = 0;
    while (duration % units[i].size)
        i++;
    return xasprintf("%llu%s", (unsigned long long)(duration / units[i].size), units[i].name);
}

static int assign_duration(const struct setting *setting, const char *value, usec_t *target,
                           struct error *err) {
    if (setting->word && string_equal(value, setting->word)) {
        *target = 0;
        return 0;
    }
    usec_t duration;
    int r = duration_parse(value, &duration, err);
    if (r < 0)
        return setting->word ? error_set(err, -r, "%s, or \"%s\"", error_text(err), setting->word) : r;
    if (duration < setting->minimum || duration > setting->maximum) {
        _cleanup_free_ char *least =
            setting->minimum ? duration_exact(setting, setting->minimum) : xstrdup("0");
        _cleanup_free_ char *most = duration_exact(setting, setting->maximum);
        return error_set(err, EINVAL, "\"%s\" is out of range, expected a time from %s to %s%s%s%s", value,
                         least, most, setting->word ? ", or \"" : "", setting->word ? setting->word : "",
                         setting->word ? "\"" : "");
    }
    *target = duration;
    return 0;
}

static int assign_number(const struct setting *setting, const char *value, unsigned *target,
                         struct error *err) {
    const char *unit = setting->storage == SETTING_PERCENT ? "%" : "";
    size_t digits = strspn(value, "0123456789");
    unsigned long number = digits > 0 && digits < 10 ? strtoul(value, NULL, 10) : 0;
    if (digits == 0 || digits >= 10 || !string_equal(value + digits, unit) || number < setting->minimum ||
        number > setting->maximum)
        return error_set(err, EINVAL, "\"%s\" is not %s from %llu%s to %llu%s", value,
                         *unit ? "a percentage" : "a number", (unsigned long long)setting->minimum, unit,
                         (unsigned long long)setting->maximum, unit);
    *target = (unsigned)number;
    return 0;
}

static int assign_choice(const struct setting *setting, const char *value, unsigned *target,
                         struct error *err) {
    for (unsigned i = 0; setting->words[i]; i++)
        if (string_equal(setting->words[i], value)) {
            *target = i;
            return 0;
        }
    _cleanup_free_ char *words = strings_join((char *const *)setting->words, " or ");
    return error_set(err, EINVAL, "\"%s\" is unknown, expected %s", value, words);
}

static int normalise(const struct setting *setting, const char *value, char **ret, struct error *err) {
    _cleanup_error_ struct error special = ERROR_NONE;
    int r = setting->normalise(value, ret, &special);
    if (r >= 0)
        return 0;
    return special.number ? error_move(err, &special)
                          : error_set(err, -r, "\"%s\" is not %s", value, setting->expected);
}

int setting_assign(const struct setting *setting, const char *value, struct settings *settings,
                   struct error *err) {
    void *target = place(setting, settings);
    _cleanup_free_ char *text = NULL;
    int r;
    switch (setting->storage) {
    case SETTING_TEXT:
        r = normalise(setting, value, &text, err);
        if (r >= 0)
            replace_string(*(char **)target, take_ptr(text));
        return r;
    case SETTING_LIST:
        r = normalise(setting, value, &text, err);
        if (r >= 0 && strings_contain(*(char ***)target, text))
            return error_set(err, EINVAL, "\"%s\" is given twice", value);
        if (r >= 0)
            strings_append(target, text);
        return r;
    case SETTING_DURATION:
        return assign_duration(setting, value, target, err);
    case SETTING_NUMBER:
    case SETTING_PERCENT:
        return assign_number(setting, value, target, err);
    case SETTING_CHOICE:
        return assign_choice(setting, value, target, err);
    }
    abort();
}

void setting_done(const struct setting *setting, struct settings *settings) {
    void *target = place(setting, settings);
    if (setting->storage == SETTING_TEXT)
        replace_string(*(char **)target, NULL);
    else if (setting->storage == SETTING_LIST)
        strings_free(take_ptr(*(char ***)target));
}

void setting_reset(const struct setting *setting, struct settings *settings) {
    setting_done(setting, settings);
    if (setting->fallback && setting_assign(setting, setting->fallback, settings, NULL) < 0)
        abort(); /* the table is wrong: a unit test reads every fallback */
}

int setting_given(const struct setting *setting, const struct settings *settings) {
    if (setting->storage != SETTING_TEXT && setting->storage != SETTING_LIST)
        return 1;
    return *(void *const *)place_const(setting, settings) != NULL;
}

char **setting_values(const struct setting *setting, const struct settings *settings) {
    const void *source = place_const(setting, settings);
    char **values = NULL;
    if (!setting_given(setting, settings))
        return NULL;
    switch (setting->storage) {
    case SETTING_TEXT:
        strings_append(&values, *(char *const *)source);
        break;
    case SETTING_LIST:
        for (char *const *item = *(char *const *const *)source; *item; item++)
            strings_append(&values, *item);
        break;
    case SETTING_DURATION: {
        _cleanup_free_ char *text = duration_exact(setting, *(const usec_t *)source);
        strings_append(&values, text);
        break;
    }
    case SETTING_NUMBER:
        strings_appendf(&values, "%u", *(const unsigned *)source);
        break;
    case SETTING_PERCENT:
        strings_appendf(&values, "%u%%", *(const unsigned *)source);
        break;
    case SETTING_CHOICE:
        strings_append(&values, setting->words[*(const unsigned *)source]);
        break;
    }
    return values;
}
