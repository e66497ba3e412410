/* The record of a transaction: nothing of it is forgotten on the way to the disk, and what people see. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/record.h"

/* Another value for each field than any other has, all the way down the tables. */
static void fill(const struct field *fields, void *object, unsigned *serial) {
    for (const struct field *field = fields; field->name; field++) {
        void *at = (char *)object + field->offset;
        unsigned value = ++*serial;
        switch (field->type) {
        case FIELD_STRING:
            *(char **)at = xasprintf("%s %u", field->name, value);
            break;
        case FIELD_BOOLEAN:
            *(bool *)at = true;
            break;
        case FIELD_INTEGER:
            *(int64_t *)at = -(int64_t)value;
            break;
        case FIELD_TIME:
            *(usec_t *)at = value * USEC_PER_SEC;
            break;
        case FIELD_NUMBER:
            *(uint32_t *)at = UINT32_MAX - value;
            break;
        case FIELD_REAL:
            *(double *)at = value + 0.5;
            break;
        case FIELD_WORD:
            *(int *)at = 1;
            break;
        case FIELD_STRINGS:
            strings_appendf(at, "%s %u", field->name, value);
            strings_append(at, "");
            break;
        case FIELD_JSON:
            *(json_t **)at = json_pack("{s:[i,n]}", field->name, (int)value);
            break;
        case FIELD_LIST:
            *(void **)at = xcalloc(2, field->of_size);
            *(size_t *)((char *)object + field->count_offset) = 2;
            for (size_t i = 0; i < 2; i++)
                fill(field->of, *(char **)at + i * field->of_size, serial);
            break;
        }
    }
}

static struct record *full_record(void) {
    unsigned serial = 0;
    struct record *record = xcalloc(1, sizeof(*record));
    fill(record_fields, record, &serial);
    return record;
}

static void a_full_record_comes_back_from_its_text(void **state) {
    (void)state;
    _cleanup_record_ struct record *record = full_record(), *again = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *json = record_encode(record), *read = NULL;
    _cleanup_free_ char *text = json_text(json);
    assert_int_equal(json_parse(text, strlen(text), "the record", &read, &err), 0);
    assert_int_equal(record_decode(read, "the record", &again, &err), 0);
    _cleanup_json_ json_t *second = record_encode(again);
    assert_true(json_equal(json, second));
    for (const struct field *field = record_fields; field->name; field++)
        assert_non_null(json_object_get(json, field->name));
    assert_int_equal(again->services_count, 2);
    assert_string_equal(again->services[1].candidate_held, record->services[1].candidate_held);
    assert_int_equal(again->databases[1].oid, record->databases[1].oid);
}

static size_t size_of(const struct field *field) {
    switch (field->type) {
    case FIELD_BOOLEAN:
        return sizeof(bool);
    case FIELD_NUMBER:
        return sizeof(uint32_t);
    case FIELD_WORD:
        return sizeof(int);
    default:
        return sizeof(void *);
    }
}

/* A gap that could hold a pointer or a time. */
static void assert_covered(const char *name, const struct field *fields, size_t size) {
    _cleanup_free_ char *covered = xcalloc(size, 1);
    for (const struct field *field = fields; field->name; field++) {
        memset(covered + field->offset, 1, size_of(field));
        if (field->type == FIELD_LIST)
            memset(covered + field->count_offset, 1, sizeof(size_t));
    }
    for (size_t at = 0; at + sizeof(void *) <= size; at += sizeof(void *))
        if (!memchr(covered + at, 1, sizeof(void *)))
            fail_msg("a member of %s at offset %zu is in no table", name, at);
}

static void no_member_is_missing_in_the_tables(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t size;
    } lists[] = {
        { "services", sizeof(struct record_service) },   { "tags", sizeof(struct record_tag) },
        { "files", sizeof(struct record_file) },         { "pins", sizeof(struct record_pin) },
        { "databases", sizeof(struct record_database) }, { "trees", sizeof(struct record_tree) },
    };
    assert_covered("struct record", record_fields, sizeof(struct record));
    size_t found = 0;
    for (const struct field *field = record_fields; field->name; field++)
        for (size_t i = 0; i < ELEMENTS(lists); i++)
            if (string_equal(field->name, lists[i].name)) {
                assert_int_equal(field->of_size, lists[i].size);
                assert_covered(lists[i].name, field->of, field->of_size);
                found++;
            }
    assert_int_equal(found, ELEMENTS(lists));
}

static void what_cannot_be_read_names_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "{}", "FILE: expected the members id and app" },
        { "{\"id\":\"1\"}", "FILE: expected the members id and app" },
        { "{\"id\":\"1\",\"app\":\"a\",\"phase\":\"rest\"}",
          "FILE.phase: expected one of none, preflight, baseline, resolve, fetch, backup, quiesce, freeze, "
          "switch, watch, commit, back-out, undo-stop, undo-data, undo-pins, undo-start, forget" },
        { "{\"id\":\"1\",\"app\":\"a\",\"services\":[{},{\"policy\":3}]}",
          "FILE.services[1].policy: expected a string" },
        { "{\"id\":\"1\",\"app\":\"a\",\"databases\":[{\"oid\":-1}]}",
          "FILE.databases[0].oid: expected a number from 0 to 4294967295" },
        { "{\"id\":\"1\",\"app\":\"a\",\"rehearsed\":true}",
          "FILE.rehearsed: this version does not know that member" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct record *record = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_json_ json_t *json = json_loads(cases[i].text, 0, NULL);
        assert_int_equal(record_decode(json, "FILE", &record, &err), -EBADMSG);
        assert_string_equal(error_text(&err), cases[i].expected);
        assert_null(record);
    }
}

static const char *phase_word(enum phase phase) {
    static char word[32];
    struct record record = { .id = (char *)"1", .app = (char *)"a", .phase = (int)phase };
    _cleanup_json_ json_t *json = record_encode(&record);
    snprintf(word, sizeof(word), "%s", json_string_value(json_object_get(json, "phase")));
    return word;
}

/* PHASE_REST is never recorded. */
static void phases_are_recorded_by_their_names(void **state) {
    (void)state;
    for (enum phase phase = PHASE_NONE; phase < PHASE_REST; phase++) {
        assert_string_equal(phase_word(phase), phase_name(phase));
        if (phase != PHASE_NONE)
            assert_int_equal(phase_by_name(phase_name(phase)), phase);
    }
    assert_int_equal(PHASE_REST, PHASE_COUNT - 1);
}

static void two_records_of_one_second_have_different_names(void **state) {
    (void)state;
    _cleanup_record_ struct record *one = record_new("qaid", KIND_UPGRADE), *other = NULL;
    unsigned same = 0;
    assert_int_equal(strlen(one->id), strlen("20261123T031500Z-1f3a"));
    for (int i = 0; i < 8; i++) {
        record_free(other);
        other = record_new("qaid", KIND_UPGRADE);
        same += string_equal(one->id, other->id);
    }
    assert_true(same < 2);
}

static struct record_service service(const char *name, bool changes) {
    return (struct record_service){ .service = xstrdup(name),
                                    .image = xstrdup("qaid/server:1@sha256:old"),
                                    .tag = xstrdup("qaid/server:1"),
                                    .digest = xstrdup("sha256:old"),
                                    .version = xstrdup("1.2.4"),
                                    .changes = changes,
                                    .candidate_digest = xstrdup("sha256:new"),
                                    .candidate_version = xstrdup("1.3.0") };
}

/* The example of DESIGN.md section 8, rolled back. */
static struct record *example(void) {
    struct record *record = record_new("qaid", KIND_UPGRADE);
    replace_string(record->id, xstrdup("20261123T031500Z-1f3a"));
    record->phase = PHASE_UNDO_START;
    record->failed_phase = PHASE_WATCH;
    record->outcome = OUTCOME_ROLLED_BACK;
    record->failed_probe = xstrdup("login");
    record->cause = xstrdup("login: POST /api/auth/login answered 500, wanted 200 (2 times in a row)");
    record->started = 1795403700 * USEC_PER_SEC;
    record->finished = 1795403837 * USEC_PER_SEC;
    record->services = xcalloc(3, sizeof(*record->services));
    record->services_count = 3;
    record->services[0] = service("postgres", false);
    record->services[0].database = true;
    record->services[1] = service("qaid-server", true);
    record->services[2] = service("caddy", false);
    record->snapshot = xstrdup("20261123T031500Z-1f3a");
    record->lost =
        json_pack("[{s:s,s:i,s:i,s:i}]", "table", "public.test_runs", "added", 3, "changed", 0, "deleted", 0);
    record->databases = xcalloc(1, sizeof(*record->databases));
    record->databases_count = 1;
    record->databases[0].failed = xstrdup("qaid_failed_20261123T031500Z_1f3a");
    strings_append(&record->quarantines, "/var/lib/upgrade-watchdog/qaid/quarantine/ID-1");
    record_seconds(record, "fetch", 8100 * USEC_PER_MSEC);
    return record;
}

static const char example_text[] =
    "{\"id\":\"20261123T031500Z-1f3a\",\"app\":\"qaid\",\"kind\":\"upgrade\",\"outcome\":\"rolled-back\","
    "\"phase\":\"watch\",\"failed_probe\":\"login\","
    "\"reason\":\"login: POST /api/auth/login answered 500, wanted 200 (2 times in a row)\","
    "\"started\":\"2026-11-23T03:15:00Z\",\"finished\":\"2026-11-23T03:17:17Z\","
    "\"services\":[{\"service\":\"qaid-server\",\"change\":\"minor\","
    "\"from\":{\"image\":\"qaid/server:1\",\"digest\":\"sha256:old\",\"version\":\"1.2.4\"},"
    "\"to\":{\"image\":\"qaid/server:1\",\"digest\":\"sha256:new\",\"version\":\"1.3.0\"}},"
    "{\"service\":\"caddy\",\"change\":\"none\","
    "\"from\":{\"image\":\"qaid/server:1\",\"digest\":\"sha256:old\",\"version\":\"1.2.4\"},"
    "\"to\":{\"image\":\"qaid/server:1\",\"digest\":\"sha256:old\",\"version\":\"1.2.4\"}}],"
    "\"seconds\":{\"fetch\":8.1},\"snapshot\":\"20261123T031500Z-1f3a\","
    "\"lost\":[{\"table\":\"public.test_runs\",\"added\":3,\"changed\":0,\"deleted\":0}],"
    "\"quarantine\":{\"database\":\"qaid_failed_20261123T031500Z_1f3a\","
    "\"files\":\"/var/lib/upgrade-watchdog/qaid/quarantine/ID-1\"},\"notes\":[],\"probes\":[]}";

static void people_and_scripts_see_what_the_contract_says(void **state) {
    (void)state;
    _cleanup_record_ struct record *record = example();
    _cleanup_json_ json_t *json = record_public(record), *expected = json_loads(example_text, 0, NULL);
    _cleanup_free_ char *text = json_text(json);
    assert_non_null(expected);
    if (!json_equal(json, expected))
        assert_string_equal(text, example_text);
}

static void an_open_transaction_has_every_member_too(void **state) {
    (void)state;
    _cleanup_record_ struct record *record = record_new("qaid", KIND_UPGRADE);
    record->phase = PHASE_FETCH;
    _cleanup_json_ json_t *json = record_public(record), *expected = json_loads(example_text, 0, NULL);
    const char *key;
    json_t *unused;
    json_object_foreach(expected, key, unused) assert_non_null(json_object_get(json, key));
    assert_int_equal(json_object_size(json), json_object_size(expected));
    assert_true(json_is_null(json_object_get(json, "outcome")));
    assert_true(json_is_null(json_object_get(json, "finished")));
    assert_true(json_is_null(json_object_get(json, "quarantine")));
    assert_string_equal(json_get_string(json, "phase", ""), "fetch");
    assert_int_equal(json_array_size(json_object_get(json, "lost")), 0);
}

static void outcomes_are_called_as_in_the_contract(void **state) {
    (void)state;
    static const char *const names[] = {
        [OUTCOME_NONE] = "none",
        [OUTCOME_UPGRADED] = "upgraded",
        [OUTCOME_UP_TO_DATE] = "up-to-date",
        [OUTCOME_REFUSED] = "refused",
        [OUTCOME_REJECTED] = "rejected",
        [OUTCOME_ABORTED] = "aborted",
        [OUTCOME_ROLLED_BACK] = "rolled-back",
        [OUTCOME_ROLLBACK_FAILED] = "rollback-failed",
    };
    for (size_t i = 0; i < ELEMENTS(names); i++)
        assert_string_equal(outcome_name((enum outcome)i), names[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_record_comes_back_from_its_text),
        cmocka_unit_test(no_member_is_missing_in_the_tables),
        cmocka_unit_test(what_cannot_be_read_names_its_place),
        cmocka_unit_test(phases_are_recorded_by_their_names),
        cmocka_unit_test(two_records_of_one_second_have_different_names),
        cmocka_unit_test(people_and_scripts_see_what_the_contract_says),
        cmocka_unit_test(an_open_transaction_has_every_member_too),
        cmocka_unit_test(outcomes_are_called_as_in_the_contract),
    };
    return RUN(tests);
}
