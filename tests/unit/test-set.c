/* [Probe NAME] sections: what is taken, and what is refused with its place. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "probes/set.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/settings.h"

static const char *const head = "[App]\nDirectory=/tmp\nBaseUrl=http://127.0.0.1:8080\n"
                                "[Database]\nService=db\nName=app\nUser=app\n";

static int load(const char *probes, struct probe_set **ret, struct error *err) {
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_free_ char *text = xasprintf("%s%s", head, probes);
    int r = settings_parse("app", "/etc/app.conf", text, strlen(text), &settings, err);
    if (r < 0)
        fail_msg("settings: %s", error_text(err));
    return probe_set_new(settings, ret, err);
}

static void a_whole_configuration_is_taken(void **state) {
    (void)state;
    _cleanup_probe_set_ struct probe_set *set = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = load("[Probe test-run]\nKind=http\nAfter=login\nRequest=GET /api/test-runs/1\n"
                 "Header=Authorization: Bearer %{token}\nSame={status, steps}\nAssets=.steps[].screenshot\n"
                 "[Probe containers]\nKind=containers\n"
                 "[Probe login]\nKind=http\nRequest=POST /api/auth/login\n"
                 "Json={\"email\": \"%{probe-email}\", \"password\": \"%{probe-password}\"}\n"
                 "Status=200\nCapture=token=.token\nEvery=5min\n"
                 "[Probe migrations]\nKind=logs\nService=server\nFail=@prisma\nFail=(?i)panic\n"
                 "Pass=(?i)(listening|server started)\n"
                 "[Probe slow]\nKind=http\nRequest=GET /\nSeverity=advisory\nTimeout=3s\n",
                 &set, &err);
    if (r < 0)
        fail_msg("%s", err.text);
    assert_int_equal(set->count, 5);
    const struct probe *login = probe_set_find(set, "login");
    assert_true(login->every == 5 * USEC_PER_MINUTE && !login->advisory);
    assert_true(probe_set_find(set, "slow")->advisory);
    assert_true(probe_set_is_ancestor(set, 0, 2) && !probe_set_is_ancestor(set, 2, 0));
    assert_int_equal(set->lane[0], set->lane[2]);
    assert_int_not_equal(set->lane[0], set->lane[1]);
    size_t places[5];
    for (size_t i = 0; i < 5; i++)
        places[set->order[i]] = i;
    assert_true(places[2] < places[0]);
}

static void progress_is_looked_at_and_decides_nothing(void **state) {
    (void)state;
    _cleanup_probe_set_ struct probe_set *set = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = load("[Watch]\nProgress=(?i)applying migration\nProgress=copied \\d+ rows\n"
                 "ProgressQuery=SELECT count(*) FROM pg_stat_activity\n"
                 "[Probe a]\nKind=http\nRequest=GET /\nFailAfter=4\nFailShare=50%\n",
                 &set, &err);
    if (r < 0)
        fail_msg("%s", err.text);
    assert_int_equal(set->count, 3);
    assert_true(set->probes[0].fail_after == 4 && set->probes[0].fail_share == 50 &&
                !set->probes[0].progress);
    for (size_t i = 1; i < 3; i++)
        assert_true(set->probes[i].progress && set->probes[i].advisory);
}

static void mistakes_are_refused_with_file_line_and_key(void **state) {
    (void)state;
    static const struct {
        const char *probes, *words;
    } cases[] = {
        { "", "at least one [Probe NAME]" },
        { "[Probe a]\nKind=containers\nSeverity=advisory\n", "at least one [Probe NAME]" },
        { "[Probe a]\nKind=http\nRequest=GET /\nFailAfter=0\n", "expected a number from 1 to 1000" },
        { "[Probe a]\nKind=http\nRequest=GET /\nFailAfter=2x\n", "expected a number from 1 to 1000" },
        { "[Probe a]\nKind=http\nRequest=GET /\nFailShare=101%\n", "expected a share from 1% to 100%" },
        { "[Watch]\nProgress=(\n[Probe a]\nKind=containers\n",
          "/etc/app.conf:9: [Watch] Progress=: expected" },
        { "[Probe a]\nRequest=GET /\n", "/etc/app.conf:8: [Probe a]: expected Kind=" },
        { "[Probe a]\nKind=htp\n", ":9: [Probe a] Kind=: expected one of \"containers\", \"logs\", \"http\", "
                                   "\"sql\", \"command\", not" },
        { "[Probe a]\nKind=command\n", ":8: [Probe a]: expected Command=" },
        { "[Probe a]\nKind=command\nCommand=check\n", "Command=: expected an absolute path" },
        { "[Probe a]\nKind=command\nCommand=/bin/a 'b\n", "Command=: expected another '" },
        { "[Probe a]\nKind=command\nCommand=/bin/a %{b}\n", "Command=: expected no \"%{name}\"" },
        { "[Probe a]\nKind=command\nCommand=/bin/a\nEnvironment=1=2\n", "Environment=: expected" },
        { "[Probe a]\nKind=sql\n", ":8: [Probe a]: expected Query=" },
        { "[Probe a]\nKind=sql\nQuery=SELECT 1; SELECT 2\n", "Query=: expected one statement" },
        { "[Probe a]\nKind=sql\nQuery=DELETE FROM t\n", "Query=: expected a statement that reads" },
        { "[Probe a]\nKind=sql\nQuery=SELECT '%{x}'\n", "outside of quotes" },
        { "[Probe a]\nKind=sql\nQuery=SELECT 1\nDatabase=b\n", "Database=: expected one of" },
        { "[Probe a]\nKind=http\nRequest=GET /\nMaxTime=1x\n", "MaxTime=: expected a multiple" },
        { "[Probe a]\nKind=http\nRequest=GET /\nMaxTime=fast\n", "MaxTime=: expected a time" },
        { "[Probe a]\nKind=http\nRequest=GET /\nVersion=~(\n", "Version=: expected a PCRE2 pattern" },
        { "[Probe a]\nKind=http\nRequest=GET /\nVersionOf=x\n", "VersionOf=: expected Version=" },
        { "[Probe a]\nKind=containers\nRequest=GET /\n",
          ":10: [Probe a] Request=: is no key of a probe of kind" },
        { "[Probe a]\nKind=http\n", ":8: [Probe a]: expected Request=" },
        { "[Probe a]\nKind=http\nRequest=GET\n", ":10: [Probe a] Request=: expected a method and a path" },
        { "[Probe a]\nKind=http\nRequest=get /\n", "expected a method" },
        { "[Probe a]\nKind=http\nRequest=GET /a b\n", "expected a method" },
        { "[Probe a]\nKind=http\nRequest=GET ftp://x/\n", "expected a method" },
        { "[Probe a]\nKind=http\nRequest=GET http://%{host}/\n", "expected a host without" },
        { "[Probe a]\nKind=http\nRequest=GET /%{x\n", "expected \"%{name}\"" },
        { "[Probe a]\nKind=http\nRequest=GET /\nRequest=GET /x\n",
          ":11: [Probe a] Request=: is given twice" },
        { "[Probe a]\nKind=http\nRequest=GET /\nStatus=20\n", "Status=: expected statuses" },
        { "[Probe a]\nKind=http\nRequest=GET /\nStatus=299-200\n", "Status=: expected statuses" },
        { "[Probe a]\nKind=http\nRequest=GET /\nStatus=200x\n", "Status=: expected statuses" },
        { "[Probe a]\nKind=http\nRequest=GET /\nHeader=X\n", "Header=: expected \"Name: value\"" },
        { "[Probe a]\nKind=http\nRequest=GET /\nMatch=(\n", "Match=: expected a PCRE2 pattern" },
        { "[Probe a]\nKind=http\nRequest=GET /\nAssert=.[\n", "Assert=: expected a jq program" },
        { "[Probe a]\nKind=http\nRequest=GET /\nCapture=token\n", "Capture=: expected \"name=JQ\"" },
        { "[Probe a]\nKind=http\nRequest=GET /\nCapture=token:.a b\n", "the name of a header, not \".a b\"" },
        { "[Probe a]\nKind=command\nCommand=/bin/true\nCapture=token:ETag\n", "with Kind=http only" },
        { "[Probe a]\nKind=sql\nQuery=SELECT 1\nCapture=token$sid\n", "with Kind=http only" },
        { "[Probe a]\nKind=http\nRequest=GET /\nCapture=a=.a\nCapture=a=.b\n", "captured twice" },
        { "[Probe a]\nKind=http\nRequest=POST /\nJson={\"a\": %{b}}\n",
          "Json=: expected JSON in which each" },
        { "[Probe a]\nKind=http\nRequest=GET /\nJson={}\n", "expected a method that can have a body" },
        { "[Probe a]\nKind=http\nRequest=POST /\nJson={}\nForm=a=b\n", "not both" },
        { "[Probe a]\nKind=http\nRequest=GET /\nEvery=5\n", "Every=: " },
        { "[Probe a]\nKind=http\nRequest=GET /\nTimeout=0\n", "Timeout=: expected a time span over 0" },
        { "[Probe a]\nKind=http\nRequest=GET /\nInsecure=maybe\n", "expected \"yes\" or \"no\"" },
        { "[Probe a]\nKind=http\nRequest=GET /\nMaxBody=1T\n", "MaxBody=: expected a size" },
        { "[Probe a]\nKind=http\nRequest=GET /\nCa=ca.pem\n", "Ca=: expected an absolute path" },
        { "[Probe a]\nKind=http\nRequest=GET /\nSeverity=none\n", "Severity=: expected \"deciding\"" },
        { "[Probe a]\nKind=logs\n", "expected Fail= or Pass=" },
        { "[Probe a]\nKind=logs\nPass=x\n", "Pass=: expected Service=" },
        { "[Probe a]\nKind=logs\nFail=@cobol\n", "Fail=: expected a PCRE2 pattern or one of @prisma, @knex" },
        { "[Probe a]\nKind=http\nRequest=GET /\nAfter=b\n",
          "After=: expected the name of another probe, not \"b\"" },
        { "[Probe a]\nKind=http\nRequest=GET /\nAfter=a\n", "After=: expected the name of another probe" },
        { "[Probe a]\nKind=http\nRequest=GET /\nAfter=b\n[Probe b]\nKind=http\nRequest=GET /\nAfter=a\n",
          "[Probe a] After=: expected no cycle" },
        { "[Probe a]\nKind=http\nRequest=GET /%{t}\n[Probe b]\nKind=http\nRequest=GET /\nCapture=t=.t\n",
          "\"%{t}\" is captured by [Probe b]; expected After=b" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_probe_set_ struct probe_set *set = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = load(cases[i].probes, &set, &err);
        if (r != -EINVAL || !strstr(error_text(&err), cases[i].words))
            fail_msg("%s: %d %s", cases[i].probes, r, r ? error_text(&err) : "taken");
    }
}

static void a_credential_that_is_missing_is_named(void **state) {
    (void)state;
    _cleanup_probe_set_ struct probe_set *set = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_free_ char *text = xasprintf("%s[Probe a]\nKind=http\nRequest=GET /%%{no-such}\n", head);
    assert_int_equal(settings_parse("app", "/nowhere/app.conf", text, strlen(text), &settings, &err), 0);
    assert_int_equal(probe_set_new(settings, &set, &err), 0);
    assert_int_equal(probe_set_check_needs(set, settings, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nowhere/app.conf:8: [Probe a]: \"%{no-such}\""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_configuration_is_taken),
        cmocka_unit_test(progress_is_looked_at_and_decides_nothing),
        cmocka_unit_test(mistakes_are_refused_with_file_line_and_key),
        cmocka_unit_test(a_credential_that_is_missing_is_named),
    };
    return RUN(tests);
}
