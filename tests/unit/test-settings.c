/* The configuration of an application: what is read, and the exact words about what is not. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/database-url.h"
#include "watchdog/config/setting.h"

#define PATH "/etc/upgrade-watchdog/qaid.conf"
#define REQUIRED "[App]\nDirectory=/opt/qaid\n[Database]\nService=postgres\nName=qaid\nUser=qaid\n"

static void parse_size(const char *text, size_t size, struct settings **ret) {
    _cleanup_error_ struct error err = ERROR_NONE;
    if (settings_parse("qaid", PATH, text, size, ret, &err) < 0)
        fail_msg("%s", error_text(&err));
}

static struct settings *parse(const char *text) {
    struct settings *settings = NULL;
    parse_size(text, strlen(text), &settings);
    return settings;
}

static void the_shortest_configuration_has_the_documented_defaults(void **state) {
    (void)state;
    _cleanup_settings_ struct settings *settings = parse(REQUIRED);
    assert_string_equal(settings->app, "qaid");
    assert_string_equal(settings->path, PATH);
    assert_string_equal(settings->config_directory, "/etc/upgrade-watchdog");
    assert_string_equal(settings->application.directory, "/opt/qaid");
    assert_null(settings->application.project);
    assert_null(settings->application.files);
    assert_string_equal(settings->database.service, "postgres");
    assert_string_equal(settings->database.names[0], "qaid");
    assert_null(settings->database.names[1]);
    assert_null(settings->snapshot.data);
    assert_int_equal(settings->snapshot.keep, 7);
    assert_int_equal(settings->snapshot.keep_clone, 24 * USEC_PER_HOUR);
    assert_int_equal(settings->snapshot.quarantine, 14 * USEC_PER_DAY);
    assert_int_equal(settings->snapshot.max_freeze, 5 * USEC_PER_MINUTE);
    assert_null(settings->snapshot.off_host);
    assert_int_equal(settings->watch.start_timeout, 0);
    assert_int_equal(settings->watch.duration, 10 * USEC_PER_MINUTE);
    assert_int_equal(settings->watch.interval, 5 * USEC_PER_SEC);
    assert_int_equal(settings->watch.fail_after, 2);
    assert_int_equal(settings->watch.fail_share, 20);
    assert_null(settings->watch.gate);
    assert_int_equal(settings->watch.gate_until, GATE_UNTIL_FIRST_PASS);
    assert_int_equal(settings->probes_count, 0);
}

static void every_key_is_read(void **state) {
    (void)state;
    _cleanup_settings_ struct settings *settings = parse(
        "# the application\n\n[App]\nDirectory = /opt//qaid/\nProject=qaid-1\nFile=compose.yaml\n"
        "File=./prod/compose.yaml\nProfile=web\nEnvFile=.env\nBaseUrl=https://qaid.example.org:8443/x/\n"
        "[Database]\nService=postgres\nName=qaid\n; two of them\n\tName=Other Name \nUser=qaid\n"
        "[Snapshot]\nData=data/\nData=volume:uploads\nData=server:/var//cache\nIgnore=volume:caddy-config\n"
        "Keep=3\nKeepClone=0\nQuarantine=1d\nMaxFreeze=90s\nOffHost=/mnt/backup/qaid/\n"
        "[Watch]\nStartTimeout=3min\nDuration=1h\nInterval=1s\nFailAfter=5\nFailShare=100%\nGate=caddy\n"
        "GateUntil=window\n"
        "[Probe login]\nKind=http\nRequest=POST /api/auth/login # not a comment ; nor this\n"
        "[Probe containers]\nKind=containers\n[Metrics]\nTextfile=/srv//metrics/qaid.prom\n");
    assert_string_equal(settings->metrics.textfile, "/srv/metrics/qaid.prom");
    assert_string_equal(settings->application.directory, "/opt/qaid");
    assert_string_equal(settings->application.project, "qaid-1");
    assert_string_equal(settings->application.files[1], "prod/compose.yaml");
    assert_string_equal(settings->application.profiles[0], "web");
    assert_string_equal(settings->application.env_files[0], ".env");
    assert_string_equal(settings->application.base_url, "https://qaid.example.org:8443/x");
    assert_string_equal(settings->database.names[1], "Other Name");
    assert_string_equal(settings->snapshot.data[0], "data");
    assert_string_equal(settings->snapshot.data[1], "volume:uploads");
    assert_string_equal(settings->snapshot.data[2], "server:/var/cache");
    assert_int_equal(strings_count(settings->snapshot.data), 3);
    assert_string_equal(settings->snapshot.ignore[0], "volume:caddy-config");
    assert_int_equal(settings->snapshot.keep, 3);
    assert_int_equal(settings->snapshot.keep_clone, 0);
    assert_int_equal(settings->snapshot.max_freeze, 90 * USEC_PER_SEC);
    assert_string_equal(settings->snapshot.off_host, "/mnt/backup/qaid");
    assert_int_equal(settings->watch.start_timeout, 3 * USEC_PER_MINUTE);
    assert_int_equal(settings->watch.fail_share, 100);
    assert_string_equal(settings->watch.gate, "caddy");
    assert_int_equal(settings->watch.gate_until, GATE_UNTIL_WINDOW);
    assert_int_equal(settings->probes_count, 2);
    assert_string_equal(settings->probes[0].name, "login");
    assert_int_equal(settings->probes[0].line, 35);
    assert_int_equal(settings->probes[0].keys_count, 2);
    assert_string_equal(settings->probes[0].keys[1].name, "Request");
    assert_string_equal(settings->probes[0].keys[1].value, "POST /api/auth/login # not a comment ; nor this");
    assert_int_equal(settings->probes[0].keys[1].line, 37);
    assert_string_equal(settings->probes[0].keys[1].file, PATH);
}

static void what_is_wrong_is_said_with_file_line_and_what_was_expected(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected; /* after PATH */
    } cases[] = {
        { "", ": [App] Directory=: is required, expected an absolute path" },
        { "[App]\nDirectory=/opt/qaid\n", ": [Database] Service=: is required, expected the name of a "
                                          "Compose service (or Url= in its place)" },
        { "[App]\nDirectory=/opt/qaid\n[Database]\nService=p\nUser=qaid\n",
          ": [Database] Name=: is required, expected the name of a database, of at most 63 bytes" },
        { "[App]\nDirectory=/opt/qaid\n[Database]\nService=p\nName=a\nName=\nUser=qaid\n",
          ":6: [Database] Name=: is required, expected the name of a database, of at most 63 bytes" },
        { "[App]\nDirectory=opt/qaid\n", ":2: [App] Directory=: \"opt/qaid\" is not an absolute path" },
        { "[App]\nDirectory=/opt/../qaid\n",
          ":2: [App] Directory=: \"/opt/../qaid\" is not an absolute path" },
        { "[App]\nDirektory=/opt/qaid\n", ":2: [App] Direktory=: unknown key; did you mean Directory=?" },
        { "[App]\nDuration=1h\n", ":2: [App] Duration=: unknown key; did you mean Duration= of [Watch]?" },
        { "[App]\nFrobnication=1\n", ":2: [App] Frobnication=: unknown key" },
        { "[Databse]\n", ":1: [Databse]: unknown section; did you mean [Database]?" },
        { "[Probes login]\n", ":1: [Probes login]: unknown section" },
        { "[probe]\n", ":1: [probe]: unknown section; did you mean [Probe NAME]?" },
        { "[Probe]\n",
          ":1: [Probe]: expected [Probe NAME] with a name of letters, digits, \"-\", \"_\" and \".\"" },
        { "[Probe ../x]\n",
          ":1: [Probe ../x]: expected [Probe NAME] with a name of letters, digits, \"-\", \"_\" and \".\"" },
        { "[X]\n", ":1: [X]: unknown section" },
        { "[App\n", ":1: \"[App\" is no section, expected [Name] and nothing after it" },
        { "[App] # here\n", ":1: \"[App]…\" is no section, expected [Name] and nothing after it" },
        { "[]\n", ":1: \"[]\" is no section, expected [Name] and nothing after it" },
        { "[ ]\n", ":1: a section without a name, expected [Name]" },
        { "Directory=/x\n", ":1: Directory= before the first section, expected [Section]" },
        { "[App]\nDirectory\n", ":2: \"Directory\" is neither [Section], Key=value nor a comment" },
        { "[App]\n=x\n", ":2: \"…\" is neither [Section], Key=value nor a comment" },
        { "secret words here", ":1: \"secret…\" is neither [Section], Key=value nor a comment" },
        { "longer-than-an-error-should-be-that-shows-it-\xC3\xA4-and-more-of-it-that-goes-on-and-on\n",
          ":1: \"longer-than-an-error-should-be-that-shows-it-\xC3\xA4-and-more-of-…\" is neither "
          "[Section], "
          "Key=value nor a comment" },

        { "[App]\nDirectory=/opt/\\\nqaid\n",
          ":2: the line ends in a backslash, expected all of a value on one line" },
        { "[App]\nDirectory=/opt/q\x01id\n",
          ":2: Directory=: the control character 0x01, expected text in UTF-8" },
        { "[App]\r\nDirectory=/opt\r/qaid\r\n",
          ":2: Directory=: the control character 0x0d, expected text in UTF-8" },
        { "[App]\nDirectory=/opt/q\xE4id\n",
          ":2: Directory=: bytes that are not UTF-8, expected text in UTF-8" },
        { "\xFF\xFE[\n", ":1: bytes that are not UTF-8, expected text in UTF-8" },
        { "[App]\nDirectory=/a\nDirectory=/b\n",
          ":3: [App] Directory=: given already in line 2; expected it once" },
        { "[App]\nDirectory=/a\n[Database]\n[App]\n",
          ":4: [App]: the section is there already, in line 1; expected it once" },
        { "[Probe a]\n[Probe a]\n",
          ":2: [Probe a]: the section is there already, in line 1; expected it once" },
        { "[App]\nFile=a\nFile=./a\n", ":3: [App] File=: \"./a\" is given twice" },
        { "[App]\nProject=QAID\n", ":2: [App] Project=: \"QAID\" is not a project name of lower case "
                                   "letters, digits, \"-\" and \"_\"" },
        { "[App]\nBaseUrl=127.0.0.1\n", ":2: [App] BaseUrl=: \"127.0.0.1\" is not an address such as "
                                        "http://127.0.0.1 or https://qaid.example.org" },
        { "[App]\nBaseUrl=ftp://x\n", ":2: [App] BaseUrl=: \"ftp://x\" is not an address such as "
                                      "http://127.0.0.1 or https://qaid.example.org" },
        { "[App]\nBaseUrl=http://user:geheim@x\n", ":2: [App] BaseUrl=: the address has a user, query or "
                                                   "fragment, expected http://HOST[:PORT][/PATH]" },
        { "[Database]\nService=post gres\n",
          ":2: [Database] Service=: \"post gres\" is not the name of a Compose service" },
        { "[Database]\nName=template1\n",
          ":2: [Database] Name=: \"template1\" is a template of PostgreSQL, expected "
          "the application's database" },
        { "[Database]\nName=a123456789b123456789c123456789d123456789e123456789f123456789g123\n",
          ":2: [Database] Name=: \"a123456789b123456789c123456789d123456789e123456789f123456789g123\" is not "
          "the "
          "name of a database, of at most 63 bytes" },
        { "[Database]\nUrl=mysql://x\n",
          ":2: [Database] Url=: expected postgresql://[USER@]HOST[:PORT][/DATABASE][?sslmode=...]" },
        { "[Database]\nUrl=postgresql://a:se%%cret@x/y\n",
          ":2: [Database] Url=: libpq does not understand the address, expected "
          "postgresql://[USER@]HOST[:PORT][/DATABASE][?sslmode=...], with %XX for characters that have a "
          "meaning there" },
        { "[Database]\nUrl=postgresql://a:secret@x/y\n", ":2: [Database] Url=: the address holds a password, "
                                                         "expected it in the credential database-password" },
        { "[Database]\nUrl=postgresql:///y\n",
          ":2: [Database] Url=: the address names no host, expected postgresql://HOST/DATABASE" },
        { "[Database]\nUrl=postgresql://x,z/y\n",
          ":2: [Database] Url=: the address names several hosts, expected the one that can be written to" },
        { "[Database]\nUrl=postgresql://x/y?options=-csearch_path%3Dz\n",
          ":2: [Database] Url=: the address has options=, expected keywords of TLS only" },
        { "[Database]\nUrl=postgresql://x/y?sslmode=yes\n",
          ":2: [Database] Url=: the address has sslmode=yes, expected disable, allow, prefer, require, "
          "verify-ca or "
          "verify-full" },
        { "[Database]\nUrl=postgresql://x/y?sslrootcert=ca.crt\n",
          ":2: [Database] Url=: the address has sslrootcert=ca.crt, expected an absolute path" },
        { "[Database]\nUrl=postgresql://x/template1\n", ":2: [Database] Url=: \"template1\" is a template of "
                                                        "PostgreSQL, expected the application's database" },
        { "[App]\nDirectory=/opt/qaid\n[Database]\nUrl=postgresql://x/y\n",
          ": [Database] User=: is required, expected the name of a role, of at most 63 bytes (or in Url=)" },
        { "[App]\nDirectory=/opt/qaid\n[Database]\nUrl=postgresql://a@x\n",
          ": [Database] Name=: is required, expected the name of a database, of at most 63 bytes (or in "
          "Url=)" },
        { "[App]\nDirectory=/opt/qaid\n[Database]\nUrl=postgresql://a@x/y\nUser=b\n",
          ":5: [Database] User=: Url= says \"a\", expected one role in both, or in one of them" },
        { "[App]\nDirectory=/opt/qaid\n[Database]\nUrl=postgresql://a@x/y\nName=z\n",
          ":5: [Database] Name=: Url= says \"y\", which is not among them" },
        { "[App]\nDirectory=/opt/qaid\n[Database]\nUrl=postgresql://a@x/y\nService=z\n",
          ":4: [Database] Url=: there is Service= too, expected one of them: the server is a service of the "
          "project, or "
          "elsewhere" },
        { "[App]\nDirectory=/opt/qaid\n[Database]\nService=z\nName=a\nUser=a\nPrograms=postgres:17\n",
          ":7: [Database] Programs=: is for Url= only: they run in the container of Service=" },
        { "[Database]\nPrograms=/usr/../bin\n", ":2: [Database] Programs=: \"/usr/../bin\" is not an "
                                                "absolute directory, or an image such as postgres:17" },
        { "[Snapshot]\nKeep=0\n", ":2: [Snapshot] Keep=: \"0\" is not a number from 1 to 10000" },
        { "[Snapshot]\nKeep=7.5\n", ":2: [Snapshot] Keep=: \"7.5\" is not a number from 1 to 10000" },
        { "[Snapshot]\nKeep=99999999999999999999\n",
          ":2: [Snapshot] Keep=: \"99999999999999999999\" is not a number from 1 to 10000" },
        { "[Snapshot]\nKeepClone=24\n",
          ":2: [Snapshot] KeepClone=: \"24\" has no unit, expected a time with its "
          "unit, such as 30s, 10min, 24h or 14d" },
        { "[Snapshot]\nQuarantine=0\n",
          ":2: [Snapshot] Quarantine=: \"0\" is out of range, expected a time from 1s to 365d" },
        { "[Snapshot]\nMaxFreeze=2d\n",
          ":2: [Snapshot] MaxFreeze=: \"2d\" is out of range, expected a time from 1ms to 1d" },
        { "[Snapshot]\nOffHost=s3://bucket/qaid\n",
          ":2: [Snapshot] OffHost=: s3:// is not supported by this version "
          "yet, expected an absolute directory" },
        { "[Metrics]\nTextfile=qaid.prom\n",
          ":2: [Metrics] Textfile=: \"qaid.prom\" is not an absolute path that ends in .prom" },
        { "[Metrics]\nTextfile=/srv/qaid.txt\n",
          ":2: [Metrics] Textfile=: \"/srv/qaid.txt\" is not an absolute path that ends in .prom" },
        { "[Metrics]\nTextfile=/srv/.prom\n",
          ":2: [Metrics] Textfile=: \"/srv/.prom\" is not an absolute path that ends in .prom" },
        { "[Snapshot]\nData=../x\n",
          ":2: [Snapshot] Data=: \"../x\" is not a path without \"..\", volume:NAME or SERVICE:/PATH" },
        { "[Snapshot]\nData=volume:\n",
          ":2: [Snapshot] Data=: \"volume:\" is not a path without \"..\", volume:NAME or SERVICE:/PATH" },
        { "[Snapshot]\nData=server:var\n",
          ":2: [Snapshot] Data=: \"server:var\" is not a path without \"..\", volume:NAME or SERVICE:/PATH" },
        { "[Watch]\nStartTimeout=soon\n",
          ":2: [Watch] StartTimeout=: \"soon\" is not a time with its unit, such as "
          "30s, 10min, 24h or 14d, or \"auto\"" },
        { "[Watch]\nStartTimeout=0\n",
          ":2: [Watch] StartTimeout=: \"0\" is out of range, expected a time from 1s to "
          "365d, or \"auto\"" },
        { "[Watch]\nDuration=0\n",
          ":2: [Watch] Duration=: \"0\" is out of range, expected a time from 1s to 365d" },
        { "[Watch]\nInterval=50ms\n",
          ":2: [Watch] Interval=: \"50ms\" is out of range, expected a time from 100ms to 1d" },
        { "[Watch]\nFailAfter=0\n", ":2: [Watch] FailAfter=: \"0\" is not a number from 1 to 1000" },
        { "[Watch]\nFailShare=20\n", ":2: [Watch] FailShare=: \"20\" is not a percentage from 1% to 100%" },
        { "[Watch]\nFailShare=0%\n", ":2: [Watch] FailShare=: \"0%\" is not a percentage from 1% to 100%" },
        { "[Watch]\nFailShare=101%\n",
          ":2: [Watch] FailShare=: \"101%\" is not a percentage from 1% to 100%" },
        { "[Watch]\nGateUntil=never\n",
          ":2: [Watch] GateUntil=: \"never\" is unknown, expected first-pass or window" },
        { "[Policy]\nAllow=minor\n", ":1: [Policy]: not supported by this version yet" },
        { "[Rehearsal]\nRehearsal=auto\n", ":1: [Rehearsal]: not supported by this version yet" },
        { "[Rehearsal]\n", ":1: [Rehearsal]: not supported by this version yet" },
        { REQUIRED "[Notify]\nOn=rolled-back sometimes\n",
          ":8: [Notify] On=: \"rolled-back sometimes\" is not some of upgraded, up-to-date, refused, "
          "refused-again, rejected, held, aborted, rolled-back, rollback-failed and failed, with blanks "
          "between" },
        { REQUIRED "[Notify]\nOn=rejected rejected\n", ":8: [Notify] On=: \"rejected\" is there twice" },
        { REQUIRED "[Notify]\nMail=-oQ/tmp\n", ":8: [Notify] Mail=: \"-oQ/tmp\" is not a mail address such "
                                               "as admin@example.org, or a local user" },
        { REQUIRED "[Notify]\nMail=a@b@c\n",
          ":8: [Notify] Mail=: \"a@b@c\" is not a mail address such as admin@example.org, or a local user" },
        { REQUIRED "[Watch]\nDuration=2s\nInterval=3s\n",
          ":9: [Watch] Interval=: longer than Duration=, expected several rounds of probes in the window" },
        { REQUIRED "[Watch]\nDuration=2s\n",
          ": [Watch] Interval=: longer than Duration=, expected several rounds of probes in the window" },
        { REQUIRED "[Watch]\nGateUntil=window\n",
          ":8: [Watch] GateUntil=: there is no gate, expected Gate= too" },
        { REQUIRED "[Watch]\nGate=postgres\n",
          ":8: [Watch] Gate=: \"postgres\" is the database, expected the service that lets users in" },
        { REQUIRED "[Snapshot]\nData=./\n",
          ":8: [Snapshot] Data=: \".\" is the whole directory with its Compose "
          "files, expected the directories in it that hold data" },
        { REQUIRED "[Snapshot]\nData=a\nIgnore=a/\n",
          ":9: [Snapshot] Ignore=: \"a\" is in Data= too, expected it in one of them" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        struct settings *settings = NULL;
        assert_int_equal(settings_parse("qaid", PATH, cases[i].text, strlen(cases[i].text), &settings, &err),
                         -EINVAL);
        assert_null(settings);
        _cleanup_free_ char *expected = xasprintf(PATH "%s", cases[i].expected);
        assert_string_equal(error_text(&err), expected);
    }
}

static void bytes_that_are_no_text_are_refused(void **state) {
    (void)state;
    static const char text[] = "[App]\nDirectory=/opt\0/qaid\n";
    _cleanup_error_ struct error err = ERROR_NONE;
    struct settings *settings = NULL;
    assert_int_equal(settings_parse("qaid", PATH, text, sizeof(text) - 1, &settings, &err), -EINVAL);
    assert_string_equal(error_text(&err), PATH ":2: Directory=: a NUL byte, expected text in UTF-8");
}

static void every_beginning_of_a_file_is_read_or_refused(void **state) {
    (void)state;
    static const char text[] =
        "\xEF\xBB\xBF" REQUIRED "[Watch]\r\nGate=caddy\r\n[Probe \xC3\xA4]\n#line 7 \"x\"\nA=\n";
    for (size_t size = 0; size < sizeof(text); size++) {
        _cleanup_free_ char *exact =
            xcalloc(1, size ? size : 1); /* so that a sanitizer sees a step too far */
        memcpy(exact, text, size);
        _cleanup_settings_ struct settings *settings = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = settings_parse("qaid", PATH, exact, size, &settings, &err);
        assert_true(r == 0 ? settings != NULL : err.text != NULL);
    }
}

static void files_of_other_editors_are_read(void **state) {
    (void)state;
    static const char *const texts[] = {
        ("\xEF\xBB\xBF" REQUIRED),
        "[App]\r\nDirectory=/opt/qaid\r\n[Database]\r\nService=postgres\r\nName=qaid\r\nUser=qaid\r\n",
        "[App]\nDirectory=/opt/qaid\n[Database]\nService=postgres\nName=qaid\nUser=qaid",
        "[App]\nDirectory=/opt/qaid\n[Database]\nService=postgres\nName=qaid\nUser=qaid\r",
        "  [ App ]\n\tDirectory \t=  /opt/qaid\t\n[Database]\nService=postgres\nName=qaid\nUser=qaid\n",
    };
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_settings_ struct settings *settings = parse(texts[i]);
        assert_string_equal(settings->application.directory, "/opt/qaid");
        assert_string_equal(settings->database.user, "qaid");
    }
}

static void a_line_may_be_as_long_as_it_is(void **state) {
    (void)state;
    struct buffer text = { 0 };
    buffer_printf(&text, REQUIRED "[Probe long]\nJson=");
    for (size_t i = 0; i < 300000; i++)
        buffer_append(&text, "x", 1);
    buffer_printf(&text, "\nKind=http\n");
    _cleanup_settings_ struct settings *settings = NULL;
    parse_size(text.text, text.size, &settings);
    assert_int_equal(strlen(settings->probes[0].keys[0].value), 300000);
    assert_string_equal(settings->probes[0].keys[1].value, "http");
    assert_int_equal(settings->probes[0].keys[1].line, 9);
    buffer_done(&text);
}

static void an_empty_assignment_resets(void **state) {
    (void)state;
    _cleanup_settings_ struct settings *settings =
        parse(REQUIRED "[Snapshot]\nData=a\nData=b\nData=\nData=c\nKeep=\nOffHost=\n"
                       "[Probe a]\nFail=x\nKind=logs\nFail=\nFail=y\n");
    assert_int_equal(strings_count(settings->snapshot.data), 1);
    assert_string_equal(settings->snapshot.data[0], "c");
    assert_int_equal(settings->snapshot.keep, 7);
    assert_null(settings->snapshot.off_host);
    assert_int_equal(settings->probes[0].keys_count, 2);
    assert_string_equal(settings->probes[0].keys[1].value, "y");
}

static void assert_same(const struct settings *a, const struct settings *b) {
    for (const struct setting *setting = settings_table; setting->section; setting++) {
        _cleanup_strings_ char **one = setting_values(setting, a), **other = setting_values(setting, b);
        _cleanup_free_ char *joined = strings_join(one, "\n"), *joined_other = strings_join(other, "\n");
        assert_string_equal(joined, joined_other);
    }
    assert_int_equal(a->probes_count, b->probes_count);
    for (size_t i = 0; i < a->probes_count; i++) {
        const struct probe_section *one = &a->probes[i], *other = &b->probes[i];
        assert_string_equal(one->name, other->name);
        assert_string_equal(one->file, other->file);
        assert_int_equal(one->line, other->line);
        assert_int_equal(one->keys_count, other->keys_count);
        for (size_t k = 0; k < one->keys_count; k++) {
            assert_string_equal(one->keys[k].name, other->keys[k].name);
            assert_string_equal(one->keys[k].value, other->keys[k].value);
            assert_string_equal(one->keys[k].file, other->keys[k].file);
            assert_int_equal(one->keys[k].line, other->keys[k].line);
        }
    }
}

struct directory {
    char path[64];
};

static void directory_make(struct directory *directory) {
    strcpy(directory->path, "/tmp/test-settings-XXXXXX");
    assert_non_null(mkdtemp(directory->path));
}

static void directory_done(struct directory *directory) {
    assert_int_equal(durable_remove_tree(AT_FDCWD, directory->path, NULL), 0);
}
#define _cleanup_directory_ __attribute__((cleanup(directory_done)))

static void put(const struct directory *directory, const char *name, const char *text, mode_t mode) {
    _cleanup_free_ char *path = xasprintf("%s/%s", directory->path, name);
    _cleanup_free_ char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    assert_int_equal(durable_mkdir(parent, 0755, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, path, text, strlen(text), mode, NULL), 0);
}

#define ON_DISK "[App]\nDirectory=/tmp\n[Database]\nService=postgres\nName=qaid\nUser=qaid\n"

static void drop_ins_are_read_in_order_and_the_effective_text_reads_back_equal(void **state) {
    (void)state;
    _cleanup_directory_ struct directory directory;
    directory_make(&directory);
    put(&directory, "qaid.conf",
        ON_DISK "[Snapshot]\nData=/etc\nKeep=2\n[Watch]\nStartTimeout=1500ms\n\n[Probe "
                "login]\nKind=http\nEvery=1min\n",
        0644);
    put(&directory, "qaid.conf.d/20-more.conf",
        "[Snapshot]\nKeep=5\nData=/usr\n[Database]\nName=\nName=other\n", 0644);
    put(&directory, "qaid.conf.d/10-first.conf",
        "[Snapshot]\nKeep=4\n\n[Probe login]\nEvery=5min\n[Probe new]\n", 0644);
    put(&directory, "qaid.conf.d/.hidden.conf", "[Nonsense]\n", 0644);
    put(&directory, "qaid.conf.d/30-note.txt", "[Nonsense]\n", 0644);
    _cleanup_settings_ struct settings *settings = NULL, *by_path = NULL, *back = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(settings_load(directory.path, "qaid", &settings, &err), 0);
    assert_string_equal(settings->app, "qaid");
    assert_string_equal(settings->config_directory, directory.path);
    assert_int_equal(settings->snapshot.keep, 5);
    assert_int_equal(strings_count(settings->snapshot.data), 2);
    assert_int_equal(strings_count(settings->database.names), 1);
    assert_string_equal(settings->database.names[0], "other");
    assert_int_equal(settings->watch.start_timeout, 1500 * USEC_PER_MSEC);
    assert_int_equal(settings->probes_count, 2);
    assert_int_equal(settings->probes[0].keys_count, 3);
    assert_true(string_ends_with(settings->probes[0].keys[2].file, "/10-first.conf"));
    assert_int_equal(settings->probes[0].keys[2].line, 5);

    _cleanup_free_ char *path = xasprintf("%s/qaid.conf", directory.path);
    assert_int_equal(settings_load("/nowhere", path, &by_path, &err), 0);
    assert_same(settings, by_path);

    _cleanup_free_ char *effective = settings_effective(settings);
    if (settings_parse("qaid", path, effective, strlen(effective), &back, &err) < 0)
        fail_msg("%s\n%s", error_text(&err), effective);
    assert_same(settings, back);
    _cleanup_free_ char *again = settings_effective(back);
    assert_string_equal(effective, again);
}

/* A server elsewhere has to prove who it is; what the address says need not be said again. */
static void an_external_database_is_read_from_its_address(void **state) {
    (void)state;
    static const struct {
        const char *address, *host, *port, *mode, *authority;
        bool weak;
    } cases[] = {
        { "postgresql://app@db.example.org/app", "db.example.org", "5432", "verify-full",
          "/etc/ssl/certs/ca-certificates.crt", false },
        { "postgres://app@db.example.org:6432/app?sslrootcert=/etc/rds.pem", "db.example.org", "6432",
          "verify-full", "/etc/rds.pem", false },
        { "postgresql://app@10.0.0.5/app?sslmode=verify-ca", "10.0.0.5", "5432", "verify-ca",
          "/etc/ssl/certs/ca-certificates.crt", true },
        { "postgresql://app@db/app?sslmode=require", "db", "5432", "require", NULL, true },
        { "postgresql://app@db/app?sslmode=disable", "db", "5432", "disable", NULL, true },
        { "postgresql://app@127.0.0.1/app", "127.0.0.1", "5432", "prefer", NULL, false },
        { "postgresql://app@localhost/app?hostaddr=10.0.0.5", "localhost", "5432", "verify-full",
          "/etc/ssl/certs/ca-certificates.crt", false },
        { "postgresql://app@[::1]:5433/app", "::1", "5433", "prefer", NULL, false },
        { "postgresql://app@%2Fvar%2Frun%2Fpostgresql/app", "/var/run/postgresql", "5432", "prefer", NULL,
          false },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        print_message("    %s\n", cases[i].address);
        _cleanup_free_ char *text = xasprintf(
            "[App]\nDirectory=/opt/qaid\n[Database]\nUrl=%s\nPrograms=postgres:17\n", cases[i].address);
        _cleanup_settings_ struct settings *settings = parse(text);
        assert_string_equal(settings->database.user, "app");
        assert_string_equal(settings->database.names[0], "app");
        assert_null(settings->database.names[1]);
        assert_null(settings->database.service);
        _cleanup_free_ char *effective = settings_effective(settings);
        _cleanup_settings_ struct settings *back = parse(effective);
        assert_string_equal(back->database.url, cases[i].address);
        _cleanup_database_url_ struct database_url url = { 0 };
        assert_int_equal(database_url_parse(back->database.url, &url, NULL), 0);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.port, cases[i].port);
        assert_string_equal(database_url_parameter(&url, "sslmode"), cases[i].mode);
        const char *authority = database_url_parameter(&url, "sslrootcert");
        assert_true(string_equal(authority, cases[i].authority));
        _cleanup_free_ char *weakness = database_url_weakness(&url);
        assert_int_equal(weakness != NULL, cases[i].weak);
    }
}

static void what_is_wrong_on_disk_is_said(void **state) {
    (void)state;
    static const struct {
        const char *app, *text, *drop_in; /* written to qaid.conf */
        int number;
        const char *expected; /* %1$s stands for the directory */
    } cases[] = {
        { "qaid", NULL, NULL, ENOENT,
          "cannot read the configuration \"%1$s/qaid.conf\": No such file or directory" },
        { "../qaid", ON_DISK, NULL, EINVAL,
          "\"../qaid\" is not the name of an application, expected letters, digits, \"-\", \"_\" and \".\", "
          "or a path "
          "that ends in .conf" },
        { "/nowhere/qaid.conf", ON_DISK, NULL, ENOENT,
          "cannot find the configuration directory \"/nowhere\": No such file or directory" },
        { "qaid", "[App]\nDirectory=/nowhere\n[Database]\nService=p\nName=a\nUser=u\n", NULL, EINVAL,
          "%1$s/qaid.conf:2: [App] Directory=: \"/nowhere\": No such file or directory, expected the "
          "directory of the "
          "Compose project" },
        { "qaid", "[App]\nDirectory=/etc/passwd\n[Database]\nService=p\nName=a\nUser=u\n", NULL, EINVAL,
          "%1$s/qaid.conf:2: [App] Directory=: \"/etc/passwd\" is not a directory" },
        { "qaid", "[App]\nDirectory=/\nFile=etc/nothing.yaml\n[Database]\nService=p\nName=a\nUser=u\n", NULL,
          EINVAL,
          "%1$s/qaid.conf:3: [App] File=: \"//etc/nothing.yaml\": No such file or directory, expected a "
          "Compose file" },
        { "qaid", "[App]\nDirectory=/\nEnvFile=/etc\n[Database]\nService=p\nName=a\nUser=u\n", NULL, EINVAL,
          "%1$s/qaid.conf:3: [App] EnvFile=: \"/etc\" is not a regular file, expected a file of variables" },
        { "qaid", ON_DISK "[Snapshot]\nData=no-such-directory\n", NULL, EINVAL,
          "%1$s/qaid.conf:8: [Snapshot] Data=: \"/tmp/no-such-directory\": No such file or directory, "
          "expected files "
          "of the application" },
        { "qaid", ON_DISK "[Snapshot]\nData=volume:x\nData=/dev/null\n", NULL, EINVAL,
          "%1$s/qaid.conf:9: [Snapshot] Data=: \"/dev/null\" is not a regular file or directory, expected "
          "files of "
          "the application" },
        { "qaid", ON_DISK, "[Watch]\nGate=postgres\n", EINVAL,
          "%1$s/qaid.conf.d/10.conf:2: [Watch] Gate=: \"postgres\" is the database, expected the service "
          "that lets "
          "users in" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_directory_ struct directory directory;
        directory_make(&directory);
        if (cases[i].text)
            put(&directory, "qaid.conf", cases[i].text, 0644);
        if (cases[i].drop_in)
            put(&directory, "qaid.conf.d/10.conf", cases[i].drop_in, 0644);
        _cleanup_error_ struct error err = ERROR_NONE;
        struct settings *settings = NULL;
        assert_int_equal(settings_load(directory.path, cases[i].app, &settings, &err), -cases[i].number);
        const char *place = strstr(cases[i].expected, "%1$s");
        _cleanup_free_ char *expected = place ? xasprintf("%.*s%s%s", (int)(place - cases[i].expected),
                                                          cases[i].expected, directory.path, place + 4)
                                              : xstrdup(cases[i].expected);
        assert_string_equal(error_text(&err), expected);
    }
}

static void the_table_reads_its_own_fallbacks(void **state) {
    (void)state;
    for (const struct setting *setting = settings_table; setting->section; setting++) {
        assert_non_null(setting->help);
        if (!setting->fallback)
            continue;
        struct settings settings = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        if (setting_assign(setting, setting->fallback, &settings, &err) < 0)
            fail_msg("%s: %s", setting->key, error_text(&err));
        _cleanup_strings_ char **values = setting_values(setting, &settings);
        assert_int_equal(strings_count(values), 1);
        setting_done(setting, &settings);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shortest_configuration_has_the_documented_defaults),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(an_external_database_is_read_from_its_address),
        cmocka_unit_test(what_is_wrong_is_said_with_file_line_and_what_was_expected),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(every_beginning_of_a_file_is_read_or_refused),
        cmocka_unit_test(files_of_other_editors_are_read),
        cmocka_unit_test(a_line_may_be_as_long_as_it_is),
        cmocka_unit_test(an_empty_assignment_resets),
        cmocka_unit_test(drop_ins_are_read_in_order_and_the_effective_text_reads_back_equal),
        cmocka_unit_test(what_is_wrong_on_disk_is_said),
        cmocka_unit_test(the_table_reads_its_own_fallbacks),
    };
    return RUN(tests);
}
