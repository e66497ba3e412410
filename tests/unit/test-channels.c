/* The ways of [Notify]: what they are called, and what is refused before anything runs. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/notify/channels.h"

#define REQUIRED "[App]\nDirectory=/opt/qaid\n[Database]\nService=postgres\nName=qaid\nUser=qaid\n"
#define PATH "/etc/upgrade-watchdog/qaid.conf"

static struct settings *settings_of(const char *notify) {
    struct settings *settings = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *text = xasprintf(REQUIRED "[Notify]\n%s", notify);
    if (settings_parse("qaid", PATH, text, strlen(text), &settings, &err) < 0)
        fail_msg("%s", error_text(&err));
    return settings;
}

static void a_way_is_called_by_its_key_and_nothing_secret(void **state) {
    (void)state;
    static const struct {
        const char *notify, *name, *value, *format;
    } cases[] = {
        { "Url=slack %{hook}\n", "Url=slack %{hook}", "%{hook}", "slack" },
        { "Url=slack https://hooks.example.org/services/T0/B0/x\n", "Url=slack https://hooks.example.org/…",
          "https://hooks.example.org/services/T0/B0/x", "slack" },
        { "Url=https://user:pass@example.org/x\n", "Url=…", "https://user:pass@example.org/x", NULL },
        { "Url=https://example.org?token=x\n", "Url=https://example.org/…", "https://example.org?token=x",
          NULL },
        { "Url=http://127.0.0.1:9/\n", "Url=http://127.0.0.1:9/", "http://127.0.0.1:9/", NULL },
        { "Url=ntfy   https://ntfy.sh/%{topic}\n", "Url=ntfy https://ntfy.sh/…", "https://ntfy.sh/%{topic}",
          "ntfy" },
        { "Mail=root\n", "Mail=root", "root", NULL },
        { "Command=/bin/true a\n", "Command=/bin/true a", "/bin/true a", NULL },
        { "Ping=https://hc-ping.com/uuid\n", "Ping=https://hc-ping.com/…", "https://hc-ping.com/uuid", NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_settings_ struct settings *settings = settings_of(cases[i].notify);
        struct channel *channels;
        size_t count;
        channels_of(settings, &channels, &count);
        assert_true(channels_any(settings));
        assert_int_equal(count, 1);
        assert_string_equal(channels[0].value, cases[i].value);
        assert_string_equal(channels[0].format ? channels[0].format->name : "none",
                            cases[i].format ? cases[i].format : "none");
        if (!string_ends_with(channels[0].name, cases[i].name) ||
            strlen(channels[0].name) != strlen(cases[i].name))
            fail_msg("case %zu: %s", i, channels[0].name);
        channels_free(channels, count);
    }
}

static void two_ways_of_one_service_have_a_name_each(void **state) {
    (void)state;
    _cleanup_settings_ struct settings *settings =
        settings_of("Url=https://a.example/one\nUrl=https://a.example/two\nUrl=https://a.example/three\n");
    struct channel *channels;
    size_t count;
    channels_of(settings, &channels, &count);
    assert_int_equal(count, 3);
    assert_string_equal(channels[0].name, "Url=https://a.example/…");
    assert_string_equal(channels[1].name, "Url=https://a.example/… (2)");
    assert_string_equal(channels[2].name, "Url=https://a.example/… (3)");
    channels_free(channels, count);
}

static void what_cannot_be_is_refused_with_its_line(void **state) {
    (void)state;
    static const struct {
        const char *notify, *expected; /* NULL: it can be */
    } cases[] = {
        { "On=rolled-back\n", NULL },
        { "Url=slack %{hook}\nMail=root\nMail=a@b.c\nPing=%{ping}\nCommand=/bin/true\n", NULL },
        { "Url=https://a/\nHeader=X-Key: %{token}\nBody={a: .app}\n", NULL },
        { "Url=teams https://a/\n",
          ":8: [Notify] Url=: \"teams\" is no known format, expected ntfy, slack, discord or gotify" },
        { "Url=hooks.example.org\n", ":8: [Notify] Url=: \"hooks.example.org\" is not an address, expected "
                                     "https://HOST/PATH or \"%{NAME}\" of a credential that holds one" },
        { "Ping=ftp://a/\n", ":8: [Notify] Ping=: \"ftp://a/\" is not an address, expected "
                             "https://HOST/PATH or \"%{NAME}\" of a credential that holds one" },
        { "Url=https://a/\nHeader=Authorization\n",
          ":9: [Notify] Header=: \"Authorization\" is no header, expected \"Name: value\"" },
        { "Url=https://a/\nUrl=https://b/\nHeader=A: b\n",
          ":10: [Notify] Header=: expected one Url= beside it: which of several gets it cannot be said; put "
          "tokens "
          "into the addresses" },
        { "Command=true\n", ":8: [Notify] Command=: expected an absolute path and arguments, not \"true\"" },
        { "Command=/no/such\n", ":8: [Notify] Command=: cannot run \"/no/such\": No such file or directory" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_settings_ struct settings *settings = settings_of(cases[i].notify);
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = channels_check(settings, &err);
        _cleanup_free_ char *expected = cases[i].expected ? xasprintf(PATH "%s", cases[i].expected) : NULL;
        if (r != (expected ? -EINVAL : 0) || (expected && !string_equal(error_text(&err), expected)))
            fail_msg("case %zu: %s", i, error_text(&err));
    }
}

static void a_body_that_does_not_compile_is_refused(void **state) {
    (void)state;
    _cleanup_settings_ struct settings *settings = settings_of("Url=https://a/\nBody={a: .app\n");
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(channels_check(settings, &err), -EINVAL);
    assert_true(string_starts_with(error_text(&err), PATH ":9: [Notify] Body=: expected a jq program"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_way_is_called_by_its_key_and_nothing_secret),
        cmocka_unit_test(two_ways_of_one_service_have_a_name_each),
        cmocka_unit_test(what_cannot_be_is_refused_with_its_line),
        cmocka_unit_test(a_body_that_does_not_compile_is_refused),
    };
    return RUN(tests);
}
