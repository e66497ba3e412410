#pragma once

/*
 * What the journal gets of a transaction: every record with all the fields of DESIGN.md section 10 that apply
 * to it, so that none of the morning's questions needs another source.
 */

#include "watchdog/audit/journal.h"
#include "watchdog/transaction/record.h"

/* The releases that the transaction goes between, as in "qaid-server 1.2.4, frontend 1.2.4", or the digests'
 * beginnings where no version is known; NULL when nothing changes. A rollback by hand goes from the candidate
 * to what was there before. Owned by the caller. */
char *transcript_from(const struct record *record);
char *transcript_to(const struct record *record);

/* EVENT_WARNING when there is none of this name. */
enum event transcript_event_by_name(const char *name);

/* A phase begins. */
void transcript_phase(const struct journal *journal, const struct record *record);
/* Something worth a line, in words. */
void transcript_event(const struct journal *journal, const struct record *record, enum event event,
                      const char *text);
/* A probe of the window has begun to fail, or cannot look any more: @result "fail" or "unknown". */
void transcript_probe(const struct journal *journal, const struct record *record, const char *probe,
                      const char *result, const char *sentence);
/* What the closing record says; texts are @record's, and *ret_from and *ret_to, which the caller owns. */
struct journal_fields transcript_closing(const struct record *record, char **ret_from, char **ret_to);

/* Sends it; that of a transaction which is left open is a warning. Returns when journald has taken
 * it, or after a moment. */
void transcript_end(const struct journal *journal, const struct record *record);
