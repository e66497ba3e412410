#pragma once

/* The lines of a manifest's file. Bytes are encoded so that nothing in them needs JSON's own escapes. */

#include <jansson.h>

#include "watchdog/base/error.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/manifest.h"

/* %XX for what is no UTF-8, control characters, `%`, `"` and `\`. Appends to @buffer. */
void manifest_encode(struct buffer *buffer, const char *bytes);
/* Back. Owned by the caller; NULL when @text is not what manifest_encode() writes, or holds a NUL. */
char *manifest_decode(const char *text);

/* One line of JSON without its line end. */
void manifest_entry_format(struct buffer *buffer, const struct manifest_entry *entry);
/* Back. -EBADMSG with what was expected; *ret is empty then. */
int manifest_entry_parse(const json_t *line, struct manifest_entry *ret, struct error *err);

/* "1700000000.123456789". */
void manifest_time_format(struct buffer *buffer, struct timespec time);
int manifest_time_parse(const char *text, struct timespec *ret);
