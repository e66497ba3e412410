#pragma once

/*
 * The one error idiom of the program: an errno and a sentence, prefixed on the way up, shown once at the top.
 *
 * A sentence is lower case, has no full stop, names what it was about in quotes and says what was expected. A
 * function that takes a `struct error *` returns 0 or a documented positive value, or -errno after setting
 * it.
 */

#include <stdarg.h>

struct error {
    int number; /* a positive errno; 0: no error */
    char *text; /* owned */
};

#define ERROR_NONE                                                                                           \
    (struct error) {                                                                                         \
        0                                                                                                    \
    }

/* Frees the text and makes *err empty again. */
void error_done(struct error *err);

/* Sets *err, replacing what was there. @err may be NULL. Returns -number. */
int error_set(struct error *err, int number, const char *format, ...) __attribute__((format(printf, 3, 4)));
int error_setv(struct error *err, int number, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* Sets *err to `format: strerror(number)`. Returns -number. */
int error_errno(struct error *err, int number, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts `format: ` before the text that is there. Returns -err->number (-EIO when @err is NULL). */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Moves @from into @to, replacing what was there. Returns -to->number. */
int error_move(struct error *to, struct error *from);

/* The text, or the errno's own words, never NULL. Valid as long as @err. */
const char *error_text(const struct error *err);

#define _cleanup_error_ __attribute__((cleanup(error_done)))
