#pragma once

/* Journal files with chosen records, written by systemd-journal-remote(8) as journald writes its own. */

#include "watchdog/audit/outcomes.h"
#include "watchdog/base/memory.h"

#define JOURNAL_MACHINE "0123456789abcdef0123456789abcdef"

/* The closing record of @id as the unit of @app sends it, at a whole second since 1970. Strings are borrowed
 * but for the constants. */
struct outcome_fields journal_outcome(const char *app, const char *id, const char *outcome, usec_t second);

/* One record more for a file, in the journal's export format. */
void journal_export(struct buffer *text, const struct outcome_fields *fields);

/* Writes @text to the journal file @path, which must not be there. */
void journal_write(const char *path, const struct buffer *text);
