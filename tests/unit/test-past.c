/* Earlier transactions from the state directory and the journal: either fills in what the other has lost. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/journals.h"
#include "watchdog/audit/past.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"

#define AT 1795403832

struct place {
    char *path; /* its "state" and "journal" */
    char *state_directory, *journal_directory;
    struct read_back journal;
};

static int place_make(void **state) {
    struct place *place = xcalloc(1, sizeof(*place));
    place->path = xstrdup("/tmp/test-past-XXXXXX");
    assert_non_null(mkdtemp(place->path));
    place->state_directory = xasprintf("%s/state", place->path);
    place->journal_directory = xasprintf("%s/journal", place->path);
    assert_int_equal(durable_mkdir(place->journal_directory, 0700, NULL), 0);
    place->journal = (struct read_back){ place->journal_directory, JOURNAL_MACHINE, 60 * USEC_PER_SEC, 100 };
    *state = place;
    return 0;
}

static int place_done(void **state) {
    struct place *place = *state;
    int r = durable_remove_tree(AT_FDCWD, place->path, NULL);
    free(place->path);
    free(place->state_directory);
    free(place->journal_directory);
    free(place);
    return r;
}

static void keep(const struct place *place, const char *id, const char *text) {
    _cleanup_free_ char *directory = xasprintf("%s/qaid/transactions", place->state_directory);
    _cleanup_free_ char *path = xasprintf("%s/%s.json", directory, id);
    assert_int_equal(durable_mkdir(directory, 0700, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
}

static void keep_record(const struct place *place, const char *id) {
    _cleanup_free_ char *text =
        xasprintf("{\"id\": \"%s\", \"app\": \"qaid\", \"outcome\": \"upgraded\"}", id);
    keep(place, id, text);
}

static void send(const struct place *place, const char *const *ids) {
    _cleanup_free_ char *path = xasprintf("%s/system.journal", place->journal_directory);
    _cleanup_buffer_ struct buffer text = { 0 };
    for (size_t i = 0; ids[i]; i++) {
        struct outcome_fields fields = journal_outcome("qaid", ids[i], "upgraded", AT + i);
        journal_export(&text, &fields);
    }
    journal_write(path, &text);
}

/* "ID SOURCE" of each. */
static char *listed(const json_t *list) {
    struct buffer text = { 0 };
    size_t i;
    const json_t *record;
    json_array_foreach(list, i, record)
        buffer_printf(&text, "%s%s %s", i ? ", " : "", json_get_string(record, "id", "?"),
                      json_get_string(record, "source", "state"));
    return buffer_take(&text);
}

static const char *const sent[] = { "20261121T031500Z-0001", "20261123T031500Z-0003", NULL };

static void each_fills_in_what_the_other_does_not_have(void **state) {
    const struct place *place = *state;
    _cleanup_strings_ char **warnings = NULL;
    _cleanup_json_ json_t *list = NULL, *without = NULL, *all = NULL;
    keep_record(place, "20261120T031500Z-0000");
    keep_record(place, "20261121T031500Z-0001");
    send(place, sent);
    assert_int_equal(past_read(place->state_directory, &place->journal, "qaid", &list, &warnings, NULL), 0);
    _cleanup_free_ char *text = listed(list);
    assert_string_equal(text, "20261123T031500Z-0003 journal, 20261121T031500Z-0001 state, "
                              "20261120T031500Z-0000 state");
    assert_int_equal(past_read(place->state_directory, NULL, "qaid", &without, &warnings, NULL), 0);
    assert_int_equal(json_array_size(without), 2);
    assert_int_equal(durable_remove_tree(AT_FDCWD, place->state_directory, NULL), 0);
    assert_int_equal(past_read(place->state_directory, &place->journal, NULL, &all, &warnings, NULL), 0);
    _cleanup_free_ char *rest = listed(all);
    assert_string_equal(rest, "20261123T031500Z-0003 journal, 20261121T031500Z-0001 journal");
    assert_null(warnings);
}

static void one_is_found_wherever_it_is(void **state) {
    const struct place *place = *state;
    _cleanup_strings_ char **warnings = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    keep_record(place, "20261120T031500Z-0000");
    send(place, sent);
    static const struct {
        const char *id;
        const char *found; /* NULL: none */
    } cases[] = {
        { NULL, "20261123T031500Z-0003" },
        { "20261120T031500Z-0000", "20261120T031500Z-0000" },
        { "20261121T031500Z-0001", "20261121T031500Z-0001" },
        { "20261122T031500Z-0001", NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *found = NULL;
        int r =
            past_find(place->state_directory, &place->journal, "qaid", cases[i].id, &found, &warnings, &err);
        assert_int_equal(r, cases[i].found ? 0 : -ENOENT);
        if (cases[i].found)
            assert_string_equal(json_get_string(found, "id", ""), cases[i].found);
    }
    _cleanup_json_ json_t *none = NULL;
    assert_int_equal(past_find(place->state_directory, &place->journal, "crm", NULL, &none, &warnings, &err),
                     -ENOENT);
    assert_string_equal(error_text(&err), "\"crm\" has no transaction yet");
}

static void an_older_one_does_not_pass_for_a_damaged_newest(void **state) {
    const struct place *place = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    keep_record(place, "20261120T031500Z-0000");
    keep(place, "20261124T031500Z-0004", "{");
    send(place, sent);
    _cleanup_strings_ char **warnings = NULL;
    _cleanup_json_ json_t *found = NULL, *other = NULL;
    assert_int_equal(
        past_find(place->state_directory, &place->journal, "qaid", NULL, &found, &warnings, &err), -EBADMSG);
    /* what the journal has of that very one, or of a newer one, does */
    keep(place, "20261123T031500Z-0003", "{");
    _cleanup_free_ char *newest =
        xasprintf("%s/qaid/transactions/20261124T031500Z-0004.json", place->state_directory);
    assert_int_equal(durable_unlink(AT_FDCWD, newest, NULL), 1);
    assert_int_equal(
        past_find(place->state_directory, &place->journal, "qaid", NULL, &other, &warnings, &err), 0);
    assert_string_equal(json_get_string(other, "source", ""), "journal");
    assert_int_equal(strings_count(warnings), 1);
}

int main(void) {
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_done)
    const struct CMUnitTest tests[] = {
        IN_PLACE(each_fills_in_what_the_other_does_not_have),
        IN_PLACE(one_is_found_wherever_it_is),
        IN_PLACE(an_older_one_does_not_pass_for_a_damaged_newest),
    };
    return RUN(tests);
}
