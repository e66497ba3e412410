#pragma once

/*
 * An outcome, read back from the journal: which records count, and what they say as JSON.
 *
 * Whoever may write to the journal may write our fields. What journald itself adds (names that begin with an
 * underscore, systemd.journal-fields(7), "Trusted Journal Fields") cannot be forged, and decides.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "watchdog/base/clock.h"

/* A record's fields, as far as they matter here. NULL: it has none of this name. */
struct outcome_fields {
    const char *message_id;
    const char *app, *id, *phase, *outcome, *reason, *from, *to, *probe, *probe_result, *seconds;
    const char *uid, *unit, *exe, *machine_id; /* journald's own */
    usec_t realtime;                           /* when journald had it */
};

/* Where each stands: {"UPGRADE_APP", its offset in struct outcome_fields}; ended by a NULL name. */
struct outcome_field {
    const char *name;
    size_t offset;
};
extern const struct outcome_field outcome_field_table[];

/* Whether it is the closing record of a transaction of @app (NULL: of any application), written on the
 * machine @machine_id (32 hexadecimal digits, as in machine-id(5)) by root, in the application's unit or by
 * a program called upgrade-watchdog (--here). */
bool outcome_counts(const struct outcome_fields *fields, const char *app, const char *machine_id);

/* The record of a transaction as DESIGN.md section 8 has it, as far as the fields carry it; what the journal
 * does not know is null, and "source" is "journal". For records that count. New reference. */
json_t *outcome_to_json(const struct outcome_fields *fields);
