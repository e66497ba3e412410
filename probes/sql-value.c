/* Rows as JSON, and errors as faults. See sql.h. */

#include "probes/sql.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/database/query.h"

/* pg_type.dat: OIDs of built-in types never change */
enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_JSON = 114,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700,
    OID_JSONB = 3802
};

/* "NaN" and "Infinity" are no JSON; a numeric of forty digits is cut by nobody. */
static json_t *number(const char *text) {
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    if (json_is_number(value))
        return value;
    json_decref(value);
    return json_text_string(text);
}

static json_t *value_of(const PGresult *result, int row, int column) {
    const char *text = sql_text(result, row, column);
    if (!text)
        return json_null();
    switch (PQftype(result, column)) {
    case OID_BOOL:
        return json_boolean(sql_boolean(result, row, column));
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
    case OID_FLOAT4:
    case OID_FLOAT8:
    case OID_NUMERIC:
        return number(text);
    case OID_JSON:
    case OID_JSONB: {
        json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        return value ? value : json_text_string(text);
    }
    default:
        return json_text_string(text);
    }
}

int sql_rows(const PGresult *result, json_t *rows, struct error *err) {
    for (int row = 0; row < PQntuples(result); row++) {
        json_t *object = json_object();
        json_array_append_new(rows, object);
        for (int column = 0; column < PQnfields(result); column++) {
            const char *name = PQfname(result, column);
            if (json_object_get(object, name))
                return error_set(err, EEXIST, "two columns are called \"%s\": name them with AS", name);
            json_object_set_new(object, name, value_of(result, row, column));
        }
    }
    return 0;
}

json_t *sql_answer(const json_t *rows, int columns) {
    const json_t *row = json_array_get(rows, 0);
    if (json_array_size(rows) != 1 || columns != 1)
        return json_incref((json_t *)rows);
    return json_incref(json_object_iter_value(json_object_iter((json_t *)row)));
}

bool sql_state_is_fault(const char *sqlstate) {
    static const char *const not_its_fault[] = {
        "08",  /* connection */
        "40",  /* serialization failure, deadlock: it may be asked again */
        "53",  /* disk full, out of memory, too many connections */
        "57P", /* shut down, crashed, starting up */
        "58",  /* the server's disk */
        "XX",  /* the server's own defect, or corrupted data */
    };
    for (size_t i = 0; i < ELEMENTS(not_its_fault); i++)
        if (string_starts_with(sqlstate, not_its_fault[i]))
            return false;
    return *sqlstate != '\0';
}
