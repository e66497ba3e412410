#pragma once

/*
 * Lines of an INI file in systemd's style (systemd.syntax(7)), one after the other. What differs from there:
 * a line that ends in a backslash is an error, not a continuation, and no value is unquoted. A comment stands
 * on a line of its own; "#" and ";" inside a value belong to it. Lines may have any length.
 */

#include <stddef.h>

#include "watchdog/base/error.h"

enum ini_kind {
    INI_SECTION, /* [NAME] */
    INI_KEY,     /* NAME=VALUE */
};

struct ini {
    const char *text; /* borrowed */
    size_t size, at;
    char *file;    /* what errors name; owned */
    unsigned line; /* of what was read last, from 1 */
    int marks;     /* comments `#line N "FILE"` say, as in C, where the next line comes from */

    enum ini_kind kind;
    char *name;  /* of the section or key; owned */
    char *value; /* without blanks around it, "" when empty; owned */
};

/* Begins; a UTF-8 byte order mark is skipped. @text must stay as long as @ini. */
void ini_init(struct ini *ini, const char *file, const char *text, size_t size);
void ini_done(struct ini *ini);
#define _cleanup_ini_ __attribute__((cleanup(ini_done)))

/* Reads up to the next section or key, which then stands in kind, name and value. Returns 1, 0 at the end, or
 * -EINVAL with "FILE:LINE: what was expected". */
int ini_next(struct ini *ini, struct error *err);
