#pragma once

/*
 * The table of keys: what is read, written back, documented and tested is in here and nowhere else.
 */

#include <stddef.h>
#include <stdint.h>

#include "watchdog/base/error.h"
#include "watchdog/config/settings.h"

/* What a key's value is stored as at its offset. */
enum setting_storage {
    SETTING_TEXT,     /* char *, NULL when not given */
    SETTING_LIST,     /* char **, NULL when empty; such a key repeats */
    SETTING_DURATION, /* usec_t */
    SETTING_NUMBER,   /* unsigned */
    SETTING_PERCENT,  /* unsigned, written with "%" */
    SETTING_CHOICE,   /* an enum, from 0 in the order of the words */
};

struct setting {
    const char *section, *key;
    enum setting_storage storage;
    size_t offset;             /* in struct settings */
    const char *fallback;      /* as one would write it; NULL: none */
    uint64_t minimum, maximum; /* of durations (microseconds) and numbers */
    const char *word;          /* stands for the duration 0, such as "auto" */
    const char *const *words;  /* of a choice, NULL-ended */
    int required;
    const char *expected; /* of a text: what it should be, for errors and the man page */
    /* Checks a text and gives what is stored, owned; -EINVAL without setting an error: not what was expected;
     * or the errno of an error that it has set. */
    int (*normalise)(const char *value, char **ret, struct error *err);
    const char *help;
};

extern const struct setting settings_table[]; /* ended by a NULL section */

/* Sections of which this version knows the name only. NULL-ended. */
extern const char *const settings_later_sections[];

/* The row, or NULL. */
const struct setting *setting_find(const char *section, const char *key);
int setting_section_known(const char *section);

/* Reads @value, which is not empty, into *settings; a list is appended to. The error says what was expected.
 */
int setting_assign(const struct setting *setting, const char *value, struct settings *settings,
                   struct error *err);

/* Back to the fallback, or to nothing. */
void setting_reset(const struct setting *setting, struct settings *settings);
/* Whether there is a value. */
int setting_given(const struct setting *setting, const struct settings *settings);

/* The values as one would write them, NULL when there is none. Owned by the caller. */
char **setting_values(const struct setting *setting, const struct settings *settings);

/* Frees what is stored. */
void setting_done(const struct setting *setting, struct settings *settings);
