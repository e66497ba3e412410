/* The verdict: each row of its table, and random sequences of reports. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/verdict.h"

#define SECOND USEC_PER_SEC

static const struct verdict_rules rules = { .start_timeout = 60 * SECOND,
                                            .settle_time = 15 * SECOND,
                                            .duration = 100 * SECOND,
                                            .progress_limit = 300 * SECOND,
                                            .interval = 5 * SECOND,
                                            .fail_after = 2,
                                            .fail_share = 20 };

/*
 * A sequence of rounds, five seconds apart, in words: one letter per probe and round: p pass, f fail, F fatal
 * fail, u unknown, lower-case letter behind '-': not looked at. A word begins with "!" when the host is in
 * trouble, with "~" when it is busy; s is a fail that was only slow, w one by a wrong answer, r a pass that
 * says that what is new has started. "a" in @kinds makes that probe advisory.
 */
struct scenario {
    const char *name;
    const char *kinds; /* one letter per probe: d deciding, a advisory, t with rules of its own, m progress */
    const char *rounds;
    unsigned repeat; /* the last word so many times in all; 0: once */
    enum verdict expected;
    const char *reason; /* a part of it; NULL: no reason is given */
};

static enum probe_result result_of(char letter) {
    return letter == 'p' || letter == 'r' ? PROBE_PASS : letter == 'u' ? PROBE_UNKNOWN : PROBE_FAIL;
}

static enum verdict step(struct verdict_memory *memory, const char *kinds, const char *word, usec_t now,
                         char **reason) {
    static char *names[] = { "first", "second", "third", "fourth" };
    struct probe_report reports[4] = { 0 };
    size_t count = 0;
    const struct verdict_host host = {
        .trouble = *word == '!' ? "the Docker daemon was just restarted" : NULL,
        .busy = *word == '~' ? "the machine is busy with other things" : NULL,
    };
    for (const char *at = word + (host.trouble || host.busy); *at && *at != ' '; at++, count++) {
        bool looked = *at != '-';
        at += !looked;
        reports[count] = (struct probe_report){ .probe = names[count],
                                                .result = result_of(*at),
                                                .fatal = *at == 'F',
                                                .slow = *at == 's',
                                                .answered = *at == 'w' || *at == 's',
                                                .ready = *at == 'r',
                                                .looked = looked,
                                                .advisory = kinds[count] == 'a',
                                                .progress = kinds[count] == 'm',
                                                .fail_after = kinds[count] == 't' ? 4 : 0,
                                                .fail_share = kinds[count] == 't' ? 50 : 0,
                                                .sentence = "answered 500, wanted 200" };
    }
    _cleanup_free_ char *probe = NULL;
    free(*reason);
    return verdict_step(&rules, memory, reports, count, &host, now, &probe, reason);
}

static enum verdict run(const struct scenario *scenario, char **reason) {
    struct verdict_memory memory = { 0 };
    enum verdict verdict = VERDICT_WAIT;
    usec_t now = 0;
    for (const char *word = scenario->rounds; word; word = strchr(word, ' ')) {
        word += *word == ' ';
        bool last = !strchr(word, ' ');
        for (unsigned i = 0; i < (last && scenario->repeat ? scenario->repeat : 1); i++) {
            now += 5 * SECOND;
            verdict = step(&memory, scenario->kinds, word, now, reason);
            bool ends = verdict != VERDICT_WAIT && verdict != VERDICT_FIRST_PASS;
            if (ends) {
                verdict_memory_done(&memory);
                return verdict;
            }
        }
    }
    verdict_memory_done(&memory);
    return verdict;
}

static void each_row_of_the_table_holds(void **state) {
    (void)state;
    static const struct scenario cases[] = {
        { "row 1: a fail in trouble is no fail", "d", "p !f !f !f", 0, VERDICT_WAIT, NULL },
        { "row 1: not a fatal one either", "d", "p !F", 0, VERDICT_WAIT, NULL },
        { "row 1: a pass in trouble counts", "dd", "fp !pp", 0, VERDICT_FIRST_PASS, NULL },
        { "row 1: fails before and after trouble are in a row", "d", "p f !f f", 0, VERDICT_ROLL_BACK,
          "2 times in a row" },
        { "row 2: no report at all is no pass", "", "", 0, VERDICT_WAIT, NULL },
        { "row 2: advisory probes alone decide nothing", "a", "p", 0, VERDICT_WAIT, NULL },
        { "row 3: a fatal sign ends the wait", "dd", "uf pF", 0, VERDICT_ROLL_BACK, "second: " },
        { "row 3: an advisory one does not", "da", "fF", 0, VERDICT_WAIT, NULL },
        { "row 4: probes may fail at first", "d", "f", 11, VERDICT_WAIT, NULL },
        { "row 5: unknown stops the start clock", "d", "u", 23, VERDICT_WAIT, NULL },
        { "row 4: a fail beside an unknown lets it run", "dd", "fu", 12, VERDICT_ROLL_BACK, "within 1min" },
        { "row 6: not passed in time", "d", "f", 12, VERDICT_ROLL_BACK,
          "first: answered 500, wanted 200 (not passed within 1min)" },
        { "row 7: never looked at", "d", "u", 24, VERDICT_ROLL_BACK_UNKNOWN, "2 times 1min" },
        { "row 7: trouble all the time", "d", "!F", 24, VERDICT_ROLL_BACK_UNKNOWN, "2 times 1min" },
        { "row 8: all pass in one round", "dd", "fp pp", 0, VERDICT_FIRST_PASS, NULL },
        { "row 8: not one after another", "dd", "fp pf", 0, VERDICT_WAIT, NULL },
        { "row 8: the latest result counts for what was not due", "dd", "fp p-p", 0, VERDICT_FIRST_PASS,
          NULL },
        { "row 8: an advisory fail does not hinder", "da", "pf", 0, VERDICT_FIRST_PASS, NULL },
        { "row 9: fatal after the first pass", "d", "p F", 0, VERDICT_ROLL_BACK, "first: answered 500" },
        { "row 10: one fail is a blip", "d", "p f p f p", 0, VERDICT_WAIT, NULL },
        { "row 10: two in a row are not", "d", "p f f", 0, VERDICT_ROLL_BACK,
          "first: answered 500, wanted 200 (2 times in a row)" },
        { "row 10: unknown between them does not interrupt", "d", "p f u u f", 0, VERDICT_ROLL_BACK,
          "2 times in a row" },
        { "row 10: a result that is not new is no look", "d", "p f -f -f", 0, VERDICT_WAIT, NULL },
        { "row 10: fails before the first pass do not count", "d", "f f f p f", 0, VERDICT_WAIT, NULL },
        { "row 10: two probes that fail once each", "dd", "pp fp pf", 0, VERDICT_WAIT, NULL },
        { "row 11: 2 of 9 looks are too few to judge", "d", "p f p p f p p p p p", 0, VERDICT_WAIT, NULL },
        { "row 11: 3 of 10 looks", "d", "p p f p p f p p p p f", 0, VERDICT_ROLL_BACK, "3 of 10 looks" },
        { "row 11: 3 of 10 looks, the tenth passes", "d", "p f p f p f p p p p p", 0, VERDICT_ROLL_BACK,
          "first: answered 500, wanted 200 (3 of 10 looks, more than 20%)" },
        { "row 11: 2 of 10 are within the share", "d", "p p f p p f p p p p p", 0, VERDICT_WAIT, NULL },
        { "row 12: unknown stops the window's clock", "d", "p u", 39, VERDICT_WAIT, NULL },
        { "row 13: too long unknown", "d", "p u", 40, VERDICT_KEEP_TELL, "2 times 1min" },
        { "row 13: too long in trouble", "d", "p !f", 40, VERDICT_KEEP_TELL, "2 times 1min" },
        { "row 14: the window is over", "d", "p", 21, VERDICT_KEEP, NULL },
        { "row 14: not a step before", "d", "p", 20, VERDICT_WAIT, NULL },
        { "row 15: a fail at the end waits for its next look", "d",
          "p p p p p p p p p p p p p p p p p p p p f", 0, VERDICT_WAIT, NULL },
        { "row 15: and that decides: pass", "d", "p p p p p p p p p p p p p p p p p p p p f p", 0,
          VERDICT_KEEP, NULL },
        { "row 15: and that decides: fail", "d", "p p p p p p p p p p p p p p p p p p p p f f", 0,
          VERDICT_ROLL_BACK, "2 times in a row" },
        { "row 10: a probe's own FailAfter is more patient", "t", "p f f f", 0, VERDICT_WAIT, NULL },
        { "row 10: and decides in the end", "t", "p f f f f", 0, VERDICT_ROLL_BACK, "4 times in a row" },
        { "row 11: a probe's own FailShare", "t", "p p f p f p f p f p f", 0, VERDICT_WAIT, NULL },
        { "row 11: and decides in the end", "t", "p f p f f p f f p f p f", 0, VERDICT_ROLL_BACK,
          "more than 50%" },
        { "row 17: progress begins the start clock again", "dm", "fp", 59, VERDICT_WAIT, NULL },
        { "row 17: not beyond its limit", "dm", "fp", 72, VERDICT_ROLL_BACK, "not passed within 1min" },
        { "row 17: nor when it has ended", "dm", "fp fp fp ff", 12, VERDICT_ROLL_BACK,
          "not passed within 1min" },
        { "row 17: an old sign is none", "dm", "fp f-p", 12, VERDICT_ROLL_BACK, "not passed within 1min" },
        { "row 17: nor does it save from what is fatal", "dm", "fp Fp", 0, VERDICT_ROLL_BACK, "first: " },
        { "row 17: no progress is no failure", "dm", "pf", 0, VERDICT_FIRST_PASS, NULL },
        { "row 17: none of its failures counts", "dm", "pf pf pf pf", 0, VERDICT_WAIT, NULL },
        { "row 18: who is slow on a busy host is not at fault", "d", "p ~s ~s ~s", 0, VERDICT_WAIT, NULL },
        { "row 18: who is slow on an idle one is", "d", "p s s", 0, VERDICT_ROLL_BACK, "2 times in a row" },
        { "row 18: other failures count on a busy host too", "d", "p ~f ~f", 0, VERDICT_ROLL_BACK,
          "2 times in a row" },
        { "row 19: wrong since it has started", "dd", "rw rw rw rw", 0, VERDICT_ROLL_BACK,
          "second: answered 500, wanted 200 (for 15s since it has started)" },
        { "row 19: not before the time is over", "dd", "rw rw rw", 0, VERDICT_WAIT, NULL },
        { "row 19: not where nothing says that it has started", "dd", "pw", 11, VERDICT_WAIT, NULL },
        { "row 19: nor where something says that it has not", "ddd", "rwf", 11, VERDICT_WAIT, NULL },
        { "row 19: who is slow has not started", "ddd", "rws", 11, VERDICT_WAIT, NULL },
        { "row 19: no answer is none", "dd", "rf", 11, VERDICT_WAIT, NULL },
        { "row 19: without a break", "dd", "rw rw rw fw rw rw rw", 0, VERDICT_WAIT, NULL },
        { "row 19: a round in trouble is one", "dd", "rw rw rw !rw rw rw rw", 0, VERDICT_WAIT, NULL },
        { "row 19: what comes after it is unknown, and no hindrance", "ddd", "rwu", 4, VERDICT_ROLL_BACK,
          "second: " },
        { "row 19: not while a migration is at work", "ddm", "rwp", 40, VERDICT_WAIT, NULL },
        { "row 19: an advisory probe says nothing", "aad", "rwf", 11, VERDICT_WAIT, NULL },
        { "row 19: the window has its own rules", "dd", "pp rw rp rw rp rw", 0, VERDICT_WAIT, NULL },
        { "row 20: no host is busy for that long", "d", "p ~s", 40, VERDICT_ROLL_BACK,
          "does not explain it" },
        { "row 20: trouble is another thing", "d", "p !s", 40, VERDICT_KEEP_TELL, "2 times 1min" },
        { "row 20: and so is who was slow before", "dd", "pp ~ps ~pu", 40, VERDICT_KEEP_TELL,
          "2 times 1min" },
        { "row 16: it does not wait for ever", "d", "p f -f", 61, VERDICT_KEEP_TELL, "end of the window" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *reason = NULL;
        enum verdict verdict = run(&cases[i], &reason);
        if (verdict != cases[i].expected)
            fail_msg("%s: %s, expected %s", cases[i].name, verdict_name(verdict),
                     verdict_name(cases[i].expected));
        if (cases[i].reason && (!reason || !strstr(reason, cases[i].reason)))
            fail_msg("%s: reason \"%s\"", cases[i].name, reason ? reason : "(none)");
        if (!cases[i].reason && reason)
            fail_msg("%s: unexpected reason \"%s\"", cases[i].name, reason);
    }
}

static unsigned next(unsigned *seed) {
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

/* What the rules say, written down once more and naively: whether a whole history after the first pass has
 * failed. */
static bool history_failed(const char *history, size_t size) {
    unsigned row = 0, fails = 0, looks = 0;
    for (size_t i = 0; i < size; i++) {
        if (history[i] == 'F')
            return true;
        if (history[i] == 'u')
            continue;
        looks++;
        fails += history[i] == 'f';
        row = history[i] == 'f' ? row + 1 : 0;
        if (row >= 2 || (looks >= 10 && fails * 100 > 20 * looks))
            return true;
    }
    return false;
}

static void no_sequence_keeps_what_failed_and_none_rolls_back_what_did_not(void **state) {
    (void)state;
    static const char *const alphabets[] = { "pppppppfu", "pu", "pppppfff", "ppppppppppppppppfuF", "pf" };
    unsigned seed = 4711, kept = 0, rolled_back = 0;
    for (unsigned sequence = 0; sequence < 20000; sequence++) {
        const char *letters = alphabets[sequence % ELEMENTS(alphabets)];
        struct verdict_memory memory = { 0 };
        _cleanup_free_ char *reason = NULL;
        char history[200];
        usec_t now = 5 * SECOND;
        assert_int_equal(step(&memory, "d", "p", now, &reason), VERDICT_FIRST_PASS);
        enum verdict verdict = VERDICT_WAIT;
        size_t size = 0;
        while (verdict == VERDICT_WAIT && size < sizeof(history)) {
            history[size] = letters[next(&seed) % strlen(letters)];
            const char word[] = { history[size++], '\0' };
            now += (1 + next(&seed) % 9) * SECOND;
            verdict = step(&memory, "d", word, now, &reason);
        }
        verdict_memory_done(&memory);
        bool failed = history_failed(history, size);
        assert_int_not_equal(verdict, VERDICT_ROLL_BACK_UNKNOWN);
        assert_int_not_equal(verdict, VERDICT_WAIT);
        if (failed != (verdict == VERDICT_ROLL_BACK))
            fail_msg("sequence %u, %.*s: %s", sequence, (int)size, history, verdict_name(verdict));
        kept += !failed;
        rolled_back += failed;
    }
    assert_true(kept > 1000 && rolled_back > 1000);
}

static void unknown_alone_never_rolls_back_after_the_first_pass(void **state) {
    (void)state;
    unsigned seed = 99;
    for (unsigned sequence = 0; sequence < 2000; sequence++) {
        struct verdict_memory memory = { 0 };
        _cleanup_free_ char *reason = NULL;
        usec_t now = 5 * SECOND;
        assert_int_equal(step(&memory, "ddd", "ppp", now, &reason), VERDICT_FIRST_PASS);
        enum verdict verdict = VERDICT_WAIT;
        while (verdict == VERDICT_WAIT) {
            char word[] = "!ppp";
            bool trouble = next(&seed) % 3 == 0;
            for (int i = 1; i < 4; i++)
                word[i] = (trouble ? "pufF" : "puuu")[next(&seed) % 4];
            now += 5 * SECOND;
            verdict = step(&memory, "ddd", trouble ? word : word + 1, now, &reason);
        }
        assert_true(verdict == VERDICT_KEEP || verdict == VERDICT_KEEP_TELL);
        verdict_memory_done(&memory);
    }
}

/* Rows 13, 20 and 21: each excuse has its own time, whatever is in the last moment. */
static void trouble_in_the_last_moment_keeps_nobody_who_was_slow_all_along(void **state) {
    (void)state;
    static const struct {
        const char *first, *then;
        unsigned firsts,
            steps; /* steps in all, until it is decided; five seconds each, two windows are forty */
        enum verdict expected;
    } cases[] = {
        { "~s", "!s", 39, 59, VERDICT_ROLL_BACK }, { "~s", "!s", 10, 50, VERDICT_KEEP_TELL },
        { "!s", "~s", 39, 60, VERDICT_KEEP_TELL }, { "!s", "~s", 10, 50, VERDICT_ROLL_BACK },
        { "~s", "u", 35, 60, VERDICT_ROLL_BACK },  { "u", "~s", 35, 60, VERDICT_KEEP_TELL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct verdict_memory memory = { 0 };
        _cleanup_free_ char *reason = NULL;
        enum verdict verdict = step(&memory, "d", "p", 5 * SECOND, &reason);
        unsigned at = 0;
        for (; at < 70 && (verdict == VERDICT_WAIT || verdict == VERDICT_FIRST_PASS); at++)
            verdict = step(&memory, "d", at < cases[i].firsts ? cases[i].first : cases[i].then,
                           (10 + 5 * at) * SECOND, &reason);
        if (verdict != cases[i].expected || at + 1 < cases[i].steps || at > cases[i].steps + 1)
            fail_msg("case %zu: %s after %u: %s", i, verdict_name(verdict), at, reason ? reason : "");
        verdict_memory_done(&memory);
    }
}

static void a_suspended_machine_uses_up_two_minutes_at_most(void **state) {
    (void)state;
    struct verdict_memory memory = { 0 };
    _cleanup_free_ char *reason = NULL;
    assert_int_equal(step(&memory, "d", "p", 5 * SECOND, &reason), VERDICT_FIRST_PASS);
    assert_int_equal(step(&memory, "d", "u", 8 * 3600 * SECOND, &reason), VERDICT_WAIT);
    assert_true(memory.stood == 120 * SECOND);
    verdict_memory_done(&memory);
}

static void the_memory_survives_its_record(void **state) {
    (void)state;
    struct verdict_memory memory = { 0 }, back = { 0 };
    _cleanup_free_ char *reason = NULL;
    step(&memory, "dd", "pp", 5 * SECOND, &reason);
    step(&memory, "dd", "pf", 10 * SECOND, &reason);
    _cleanup_json_ json_t *value = verdict_memory_to_json(&memory);
    assert_non_null(value);
    assert_int_equal(verdict_memory_from_json(value, &back, NULL), 0);
    verdict_memory_restart(&back);
    assert_true(back.used == memory.used && back.first_pass);
    assert_int_equal(step(&back, "dd", "pf", 5 * SECOND, &reason), VERDICT_ROLL_BACK);
    assert_string_equal(reason, "second: answered 500, wanted 200 (2 times in a row)");
    verdict_memory_done(&memory);
    verdict_memory_done(&back);
}

static void a_memory_that_is_none_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "null",
        "{}",
        "{\"first_pass\": true, \"last\": -1, \"used\": 0, \"stood\": 0, \"counters\": {}}",
        "{\"first_pass\": 1, \"last\": 1, \"used\": 0, \"stood\": 0, \"counters\": {}}",
        "{\"first_pass\": true, \"last\": 1, \"used\": 0, \"stood\": 0, \"counters\": {\"a\": 3}}",
        "{\"first_pass\": true, \"last\": 1, \"used\": 0, \"stood\": 0, \"counters\": {\"a\": {}}}",
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *value = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        struct verdict_memory memory = { 0 };
        assert_int_equal(json_parse(cases[i], strlen(cases[i]), "the case", &value, NULL), 0);
        assert_int_equal(verdict_memory_from_json(value, &memory, &err), -EBADMSG);
        assert_non_null(err.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_of_the_table_holds),
        cmocka_unit_test(no_sequence_keeps_what_failed_and_none_rolls_back_what_did_not),
        cmocka_unit_test(unknown_alone_never_rolls_back_after_the_first_pass),
        cmocka_unit_test(trouble_in_the_last_moment_keeps_nobody_who_was_slow_all_along),
        cmocka_unit_test(a_suspended_machine_uses_up_two_minutes_at_most),
        cmocka_unit_test(the_memory_survives_its_record),
        cmocka_unit_test(a_memory_that_is_none_is_refused),
    };
    return RUN(tests);
}
