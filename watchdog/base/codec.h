#pragma once

/*
 * Structs to JSON and back by a table of fields: what is written is what is read, and a value of another type
 * than the table says is an error that names its place ("services[2].policy: expected a string").
 *
 * A member that is missing keeps its zero; a member that the table does not know is an error, since a record
 * of a newer version must not be continued by an older program.
 */

#include <jansson.h>
#include <stddef.h>

#include "watchdog/base/error.h"

enum field_type {
    FIELD_STRING,  /* char *, owned, NULL when missing */
    FIELD_BOOLEAN, /* bool */
    FIELD_INTEGER, /* int64_t */
    FIELD_TIME,    /* usec_t of CLOCK_REALTIME, as an integer of microseconds */
    FIELD_NUMBER,  /* uint32_t: an OID */
    FIELD_REAL,    /* double */
    FIELD_WORD,    /* int: an index into @words */
    FIELD_STRINGS, /* char **, owned, NULL-ended */
    FIELD_LIST,    /* pointer to structs of @of, with a size_t count at @count_offset */
    FIELD_JSON,    /* json_t *, owned */
};

struct field {
    const char *name; /* NULL ends the table */
    enum field_type type;
    size_t offset;
    const struct field *of; /* FIELD_LIST */
    size_t of_size;
    size_t count_offset;
    const char *const *words; /* FIELD_WORD: NULL-ended */
};

/* A new reference. Members that are zero, NULL or empty are left out. */
json_t *codec_encode(const struct field *fields, const void *object);

/* Fills the zeroed struct at @ret; on error it is freed again by codec_free(). @place names the whole. */
int codec_decode(const struct field *fields, const json_t *json, const char *place, void *ret,
                 struct error *err);

/* Frees what the fields own and zeroes them; the struct itself is the caller's. */
void codec_free(const struct field *fields, void *object);
