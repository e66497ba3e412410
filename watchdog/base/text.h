#pragma once

/*
 * Text from outside: UTF-8 that may be broken, and names that somebody mistyped.
 */

#include <stddef.h>
#include <stdint.h>

/* Decodes the UTF-8 sequence at @text (RFC 3629, section 4), of which @size bytes may be read. Returns its
 * length, 0 when there is none: the byte belongs to no character. @ret may be NULL. */
size_t utf8_decode(const char *text, size_t size, uint32_t *ret);

/* Whether all of it is UTF-8. NUL is a character like any other. */
int utf8_valid(const char *text, size_t size);

/* A copy of @text that a terminal, a log or a table can show: control characters (of C0, C1 and those that
 * turn the direction of writing) and bytes that are no UTF-8 become "\xNN" or "\u{NNNN}", a tab becomes a
 * blank. A line break becomes "\n" unless @lines. Owned by the caller. */
char *text_harmless(const char *text, int lines);

/* Looks for the known name that somebody probably meant. */
struct nearest {
    const char *wanted;
    const char *best; /* borrowed; NULL: none is near enough */
    size_t distance;
};
void nearest_consider(struct nearest *nearest, const char *candidate);
