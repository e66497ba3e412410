/* One message by each way: what a real server is sent, what a program is given, and what is never shown. */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/process.h"
#include "watchdog/notify/delivery.h"
#include "watchdog/notify/mail.h"
#include "watchdog/notify/post.h"
#include "watchdog/notify/wording.h"

#define ID "20261123T031500Z-1f3a"
#define SECRET "s3cr3t/of&the hook"

static struct {
    struct process_child server;
    char *base; /* http://127.0.0.1:PORT */
    char directory[32];
} world;

static void write_file(const char *name, const char *text, mode_t mode) {
    _cleanup_free_ char *path = xasprintf("%s/%s", world.directory, name);
    if (durable_write(AT_FDCWD, path, text, strlen(text), mode, NULL) < 0)
        fail_msg("%s", path);
}

static int begin(void **state) {
    (void)state;
    char *argv[] = { "python3", "tests/unit/http-server.py", NULL };
    const struct process process = { .argv = argv, .deadline = USEC_INFINITY };
    char port[16] = "";
    strcpy(world.directory, "/tmp/test-delivery-XXXXXX");
    if (!mkdtemp(world.directory) || process_start(&process, &world.server, NULL) < 0)
        return -1;
    struct pollfd polled = { world.server.output_fd, POLLIN, 0 };
    if (poll(&polled, 1, 20000) <= 0 || read(world.server.output_fd, port, sizeof(port) - 1) <= 0)
        return -1;
    port[strcspn(port, "\n")] = '\0';
    world.base = xasprintf("http://127.0.0.1:%s", port);
    _cleanup_free_ char *credentials = xasprintf("%s/credentials/qaid", world.directory);
    durable_mkdir(credentials, 0700, NULL);
    _cleanup_free_ char *whole = xasprintf("%s/hook/secret-path", world.base);
    write_file("credentials/qaid/hook", whole, 0600);
    write_file("credentials/qaid/token", SECRET, 0600);
    return 0;
}

static int end(void **state) {
    (void)state;
    process_stop(&world.server, USEC_PER_SEC);
    free(world.base);
    return durable_remove_tree(AT_FDCWD, world.directory, NULL);
}

static struct settings *settings_of(const char *notify) {
    struct settings *settings = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *path = xasprintf("%s/qaid.conf", world.directory);
    _cleanup_free_ char *text = xasprintf(
        "[App]\nDirectory=/opt/qaid\n[Database]\nService=postgres\nName=qaid\nUser=qaid\n[Notify]\n%s",
        notify);
    if (settings_parse("qaid", path, text, strlen(text), &settings, &err) < 0)
        fail_msg("%s", error_text(&err));
    return settings;
}

static struct message *message_of(enum message_kind kind) {
    struct message *message = message_new("qaid", kind, ID);
    message->transaction = json_pack("{s:s, s:s, s:s}", "id", ID, "outcome", message_kind_name(kind),
                                     "reason", "login: <500> & \"ü\"");
    return message;
}

/* By the first way that @notify says. */
static int tell(const char *notify, enum message_kind kind, struct error *err) {
    _cleanup_settings_ struct settings *settings = settings_of(notify);
    _cleanup_message_ struct message *message = message_of(kind);
    struct channel *channels;
    size_t count;
    channels_of(settings, &channels, &count);
    assert_true(count >= 1);
    int r = deliver(settings, &channels[0], message, "night", err);
    channels_free(channels, count);
    return r;
}

/* What the server was sent since the last time. */
static json_t *hooks(void) {
    _cleanup_process_result_ struct process_result result = { 0 };
    _cleanup_free_ char *url = xasprintf("%s/hooks", world.base);
    char *argv[] = { "curl", "-s", url, NULL };
    const struct process process = { .argv = argv, .deadline = deadline_in(10 * USEC_PER_SEC) };
    json_t *list = NULL;
    assert_int_equal(process_run(&process, &result, NULL), 0);
    assert_int_equal(json_parse(result.output.text, result.output.size, "hooks", &list, NULL), 0);
    return list;
}

/* The one request, and its body decoded. */
static json_t *the_hook(json_t **ret_body) {
    _cleanup_json_ json_t *list = hooks();
    assert_int_equal(json_array_size(list), 1);
    json_t *hook = json_incref(json_array_get(list, 0));
    const char *body = json_get_string(hook, "body", "");
    if (ret_body)
        assert_int_equal(json_parse(body, strlen(body), "body", ret_body, NULL), 0);
    return hook;
}

static void well(const char *notify, enum message_kind kind) {
    _cleanup_error_ struct error err = ERROR_NONE;
    if (tell(notify, kind, &err) < 0)
        fail_msg("%s: %s", notify, error_text(&err));
}

static char *hook_url(const char *format, const char *rest) {
    return xasprintf("Url=%s%s/hook%s\n", format, world.base, rest);
}

static void without_a_format_the_whole_message_is_posted(void **state) {
    (void)state;
    _cleanup_free_ char *notify = hook_url("", "/a");
    _cleanup_json_ json_t *body = NULL;
    well(notify, MESSAGE_ROLLED_BACK);
    _cleanup_json_ json_t *hook = the_hook(&body);
    assert_string_equal(json_get_string(hook, "method", ""), "POST");
    assert_string_equal(json_get_string(json_get_object(hook, "headers"), "content-type", ""),
                        "application/json");
    assert_string_equal(json_get_string(body, "kind", ""), "rolled-back");
    assert_string_equal(json_get_string(body, "reason", ""), "login: <500> & \"ü\"");
    assert_string_equal(json_get_string(json_get_object(body, "transaction"), "id", ""), ID);
}

static void body_is_a_jq_program_over_it(void **state) {
    (void)state;
    _cleanup_free_ char *url = hook_url("", "/a"),
                        *notify =
                            xasprintf("%sBody={app, said: (.subject | ascii_upcase), n: (1 + 1)}\n", url);
    _cleanup_json_ json_t *body = NULL;
    well(notify, MESSAGE_REJECTED);
    _cleanup_json_ json_t *hook = the_hook(&body);
    assert_string_equal(json_get_string(hook, "path", ""), "/hook/a");
    assert_string_equal(json_get_string(body, "app", ""), "qaid");
    assert_true(string_starts_with(json_get_string(body, "said", ""), "A NEW RELEASE OF QAID WAS REJECTED"));
    assert_int_equal(json_get_integer(body, "n", 0), 2);
    assert_int_equal(json_object_size(body), 3);
}

static void each_service_gets_its_own_form(void **state) {
    (void)state;
    _cleanup_json_ json_t *ntfy = NULL, *slack = NULL, *discord = NULL, *gotify = NULL;
    _cleanup_free_ char *to_ntfy = hook_url("ntfy ", "/my-topic?x=1"),
                        *to_slack = hook_url("slack ", "/T/B/x"), *to_discord = hook_url("discord ", "/d"),
                        *to_gotify = hook_url("gotify ", "/message?token=t");
    well(to_ntfy, MESSAGE_ROLLBACK_FAILED);
    _cleanup_json_ json_t *ntfy_hook = the_hook(&ntfy);
    assert_string_equal(json_get_string(ntfy_hook, "path", ""), "/hook/?x=1");
    assert_string_equal(json_get_string(ntfy, "topic", ""), "my-topic");
    assert_int_equal(json_get_integer(ntfy, "priority", 0), 5);
    assert_non_null(strstr(json_get_string(ntfy, "title", ""), "needs a person"));
    assert_non_null(strstr(json_get_string(ntfy, "message", ""), "upgrade-watchdog status qaid"));
    assert_true(json_is_array(json_object_get(ntfy, "tags")));

    well(to_slack, MESSAGE_ROLLED_BACK);
    _cleanup_json_ json_t *slack_hook = the_hook(&slack);
    assert_string_equal(json_get_string(slack_hook, "path", ""), "/hook/T/B/x");
    assert_non_null(strstr(json_get_string(slack, "text", ""), "login: &lt;500&gt; &amp; \"ü\""));

    well(to_discord, MESSAGE_ROLLED_BACK);
    _cleanup_json_ json_t *discord_hook = the_hook(&discord);
    assert_string_equal(json_get_string(discord_hook, "path", ""), "/hook/d");
    assert_non_null(strstr(json_get_string(discord, "content", ""), "login: <500> & \"ü\""));
    assert_int_equal(json_array_size(json_get_array(json_get_object(discord, "allowed_mentions"), "parse")),
                     0);
    assert_non_null(json_get_array(json_get_object(discord, "allowed_mentions"), "parse"));

    well(to_gotify, MESSAGE_ROLLED_BACK);
    _cleanup_json_ json_t *gotify_hook = the_hook(&gotify);
    assert_string_equal(json_get_string(gotify_hook, "path", ""), "/hook/message?token=t");
    assert_int_equal(json_get_integer(gotify, "priority", 0), 6);
}

static void secrets_come_from_credentials_and_are_put_in_safely(void **state) {
    (void)state;
    _cleanup_free_ char *inside = hook_url("", "?token=%{token}"),
                        *notify = xasprintf("%sHeader=Authorization: Bearer %%{token}\n", inside);
    well("Url=slack %{hook}\n", MESSAGE_ROLLED_BACK);
    _cleanup_json_ json_t *whole = the_hook(NULL);
    assert_string_equal(json_get_string(whole, "path", ""), "/hook/secret-path");
    well(notify, MESSAGE_ROLLED_BACK);
    _cleanup_json_ json_t *hook = the_hook(NULL);
    assert_string_equal(json_get_string(hook, "path", ""), "/hook?token=s3cr3t%2Fof%26the%20hook");
    assert_string_equal(json_get_string(json_get_object(hook, "headers"), "authorization", ""),
                        "Bearer " SECRET);
}

static void a_ping_tells_beginnings_and_ends_and_nothing_else(void **state) {
    (void)state;
    static const struct {
        enum message_kind kind;
        const char *path; /* NULL: none */
    } cases[] = {
        { MESSAGE_STARTED, "/hook/uuid/start?rid=1" },    { MESSAGE_UPGRADED, "/hook/uuid?rid=1" },
        { MESSAGE_UP_TO_DATE, "/hook/uuid?rid=1" },       { MESSAGE_REFUSED, "/hook/uuid?rid=1" },
        { MESSAGE_ROLLED_BACK, "/hook/uuid/fail?rid=1" }, { MESSAGE_FAILED, "/hook/uuid/fail?rid=1" },
        { MESSAGE_ABORTED, "/hook/uuid/fail?rid=1" },
    };
    _cleanup_free_ char *notify = xasprintf("Ping=%s/hook/uuid?rid=1\n", world.base),
                        *url = hook_url("", "/a");
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        well(notify, cases[i].kind);
        _cleanup_json_ json_t *hook = the_hook(NULL);
        assert_string_equal(json_get_string(hook, "path", ""), cases[i].path);
        assert_string_equal(json_get_string(hook, "method", ""), "GET");
    }
    well(url, MESSAGE_STARTED);
    _cleanup_json_ json_t *none = hooks();
    assert_int_equal(json_array_size(none), 0);
}

static void a_failure_says_why_and_no_secret(void **state) {
    (void)state;
    static const struct {
        const char *notify, *says; /* "@" of notify: the server */
    } cases[] = {
        { "Url=@/hook/500?token=%{token}\n", "127.0.0.1 answered 500" },
        { "Url=@/hook/302\n", "127.0.0.1 answered 302" },
        { "Url=http://127.0.0.1:1/%{token}\n", "127.0.0.1 could not be asked" },
        { "Url=@/hook/%{missing}\n", "there is no credential \"missing\"" },
        { "Url=@/hook/a\nBody=.subject | error\n", "the jq program of the body" },
        { "Url=@/hook/a\nBody=.app, .app\n", "2 values, expected one" },
        { "Command=/bin/sh -c 'echo no room >&2; exit 3'\n", "exited with 3: " },
        { "Command=/no/such/program\n", "/no/such/program" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        const char *at = strchr(cases[i].notify, '@');
        _cleanup_free_ char *notify =
            at ? xasprintf("%.*s%s%s", (int)(at - cases[i].notify), cases[i].notify, world.base, at + 1)
               : xstrdup(cases[i].notify);
        int r = tell(notify, MESSAGE_ROLLED_BACK, &err);
        if (r >= 0 || !strstr(error_text(&err), cases[i].says) || strstr(error_text(&err), "s3cr3t"))
            fail_msg("case %zu: %d %s", i, r, error_text(&err));
    }
}

static void a_program_gets_text_and_variables_and_no_descriptor_of_ours(void **state) {
    (void)state;
    _cleanup_free_ char *script = xasprintf("%s/tell", world.directory),
                        *notify = xasprintf("Command=%s 'a b'\n", script),
                        *out = xasprintf("%s/out", world.directory), *text = NULL, *program = NULL;
    program = xasprintf(
        "#!/bin/sh\n{ echo \"$#|$1|$UPGRADE_APP|$UPGRADE_KIND|$UPGRADE_ID|$UPGRADE_URGENCY\"; cat; } >%s\n"
        "ls -l /proc/self/fd >%s.fds\ngrep -cE 'pipe|socket' %s.fds >>%s\n",
        out, out, out, out);
    write_file("tell", program, 0700);
    well(notify, MESSAGE_ROLLED_BACK);
    assert_int_equal(file_read(AT_FDCWD, out, 100000, &text, NULL, NULL), 0);
    assert_true(string_starts_with(text, "1|a b|qaid|rolled-back|" ID "|warning\nqaid was rolled back: "));
    assert_non_null(strstr(text, "\nState:    "));
    /* its standard error, and nothing else */
    if (!string_ends_with(text, "Z\n1\n"))
        fail_msg("%s", text);
}

static void a_mail_is_whole_for_every_mail_program(void **state) {
    (void)state;
    _cleanup_message_ struct message *message = message_of(MESSAGE_ROLLBACK_FAILED);
    _cleanup_json_ json_t *said = wording(message, "night");
    _cleanup_free_ char *mail = mail_text(said, "root", 1795404900000000);
    _cleanup_process_result_ struct process_result result = { 0 };
    char *argv[] = { "python3", "-c",
                     "import sys, email, email.policy\n"
                     "raw = sys.stdin.buffer.read()\n"
                     "assert max(map(len, raw.split(b'\\n'))) <= 78 and max(raw) < 128, raw\n"
                     "m = email.message_from_bytes(raw, policy=email.policy.default)\n"
                     "print(m['to'], m['date'], m['importance'], m['auto-submitted'], m['subject'], "
                     "m.get_content(), sep='|')\n",
                     NULL };
    const struct process process = { .argv = argv,
                                     .input = mail,
                                     .deadline = deadline_in(20 * USEC_PER_SEC) };
    _cleanup_error_ struct error err = ERROR_NONE;
    if (process_run(&process, &result, &err) != 0)
        fail_msg("%s", error_text(&err));
    _cleanup_free_ char *expected =
        xasprintf("root|Mon, 23 Nov 2026 03:35:00 +0000|high|auto-generated|%s|%s",
                  json_get_string(said, "subject", ""), json_get_string(said, "text", ""));
    if (!string_starts_with(result.output.text, expected))
        fail_msg("%s\nis not\n%s", result.output.text, expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_format_the_whole_message_is_posted),
        cmocka_unit_test(body_is_a_jq_program_over_it),
        cmocka_unit_test(each_service_gets_its_own_form),
        cmocka_unit_test(secrets_come_from_credentials_and_are_put_in_safely),
        cmocka_unit_test(a_ping_tells_beginnings_and_ends_and_nothing_else),
        cmocka_unit_test(a_failure_says_why_and_no_secret),
        cmocka_unit_test(a_program_gets_text_and_variables_and_no_descriptor_of_ours),
        cmocka_unit_test(a_mail_is_whole_for_every_mail_program),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
