#pragma once

/* Altered phase tables: each must break a promise, or a row of the real one is there for nothing. */

#include "watchdog/transaction/machine.h"

enum edit_kind {
    EDIT_NONE,
    EDIT_DROP,   /* every row of the step */
    EDIT_ALWAYS, /* the row's condition is gone */
    EDIT_BEFORE, /* the row goes before that of .other */
    EDIT_DEAD,   /* the phase's fate */
    EDIT_FAILED,
    EDIT_STOPPED,
};

struct edit {
    enum edit_kind kind;
    enum phase phase;
    enum step step;
    enum step other; /* EDIT_BEFORE */
    enum fate fate;  /* EDIT_DEAD and so on */
};

struct mutation {
    const char *name;
    unsigned faults; /* that it takes, at least, to see it */
    struct edit edits[4];
};

extern const struct mutation mutations[];
extern const size_t mutations_count;

#define MUTATION_ROWS 32
struct mutated {
    struct phase_row phases[PHASE_COUNT];
    struct row rows[PHASE_COUNT][MUTATION_ROWS];
};
/* @ret: machine_phases with the mutation's edits, valid as long as it is not moved. */
void mutation_apply(const struct mutation *mutation, struct mutated *ret);
