/* The error idiom. See error.h. */

#include "watchdog/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/base/memory.h"

void error_done(struct error *err) {
    if (!err)
        return;
    free(err->text);
    *err = ERROR_NONE;
}

int error_setv(struct error *err, int number, const char *format, va_list arguments) {
    if (err) {
        char *text = xvasprintf(format, arguments);
        free(err->text); /* after formatting: the old text may be one of the arguments */
        err->text = text;
        err->number = number;
    }
    return -number;
}

int error_set(struct error *err, int number, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    error_setv(err, number, format, arguments);
    va_end(arguments);
    return -number;
}

int error_errno(struct error *err, int number, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    return error_set(err, number, "%s: %s", text, strerror(number));
}

int error_prefix(struct error *err, const char *format, ...) {
    if (!err)
        return -EIO;
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *prefix = xvasprintf(format, arguments);
    va_end(arguments);
    return error_set(err, err->number ? err->number : EIO, "%s: %s", prefix, error_text(err));
}

int error_move(struct error *to, struct error *from) {
    int number = from->number ? from->number : EIO;
    if (to) {
        error_done(to);
        *to = *from;
        to->number = number;
        *from = ERROR_NONE;
    }
    return -number;
}

const char *error_text(const struct error *err) {
    return err->text ? err->text : strerror(err->number);
}
