/* Rounds of http probes against a real server: answers, faults, chains, memory, and what is never shown. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "probes/baseline.h"
#include "probes/round.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/process.h"
#include "watchdog/config/settings.h"

#define PASSWORD "p\"w %{x}ü"

static struct {
    struct process_child server, tls_server;
    char *port, *tls_port;
    char *certificate; /* with its key */
    char *credentials;
} world;

static int serve(char *certificate, struct process_child *server, char **ret_port) {
    char *argv[] = { "python3", "tests/unit/http-server.py", certificate, NULL };
    const struct process process = { .argv = argv, .deadline = USEC_INFINITY };
    if (process_start(&process, server, NULL) < 0)
        return -1;
    struct pollfd polled = { server->output_fd, POLLIN, 0 };
    char port[16] = "";
    if (poll(&polled, 1, 20000) <= 0 || read(server->output_fd, port, sizeof(port) - 1) <= 0)
        return -1;
    port[strcspn(port, "\n")] = '\0';
    *ret_port = xstrdup(port);
    return 0;
}

static int certify(void) {
    char *argv[] = { "openssl",
                     "req",
                     "-x509",
                     "-newkey",
                     "ec",
                     "-pkeyopt",
                     "ec_paramgen_curve:P-256",
                     "-nodes",
                     "-subj",
                     "/CN=test",
                     "-addext",
                     "subjectAltName=IP:127.0.0.1",
                     "-keyout",
                     world.certificate,
                     "-out",
                     NULL,
                     NULL };
    _cleanup_free_ char *only = xasprintf("%s.crt", world.certificate);
    argv[15] = only;
    const struct process process = { .argv = argv, .deadline = deadline_in(USEC_PER_MINUTE) };
    _cleanup_free_ char *text = NULL;
    size_t size;
    if (process_run(&process, NULL, NULL) != 0 || file_read(AT_FDCWD, only, 10000, &text, &size, NULL) < 0)
        return -1;
    _cleanup_file_ FILE *file = fopen(world.certificate, "ae");
    return file && fputs(text, file) >= 0 ? 0 : -1;
}

static int begin(void **state) {
    (void)state;
    world.credentials = xstrdup("/tmp/test-http.XXXXXX");
    if (!mkdtemp(world.credentials))
        return -1;
    world.certificate = xasprintf("%s/certificate.pem", world.credentials);
    if (certify() < 0 || serve(NULL, &world.server, &world.port) < 0 ||
        serve(world.certificate, &world.tls_server, &world.tls_port) < 0)
        return -1;
    setenv("CREDENTIALS_DIRECTORY", world.credentials, 1);
    _cleanup_free_ char *path = xasprintf("%s/probe-password", world.credentials);
    return durable_write(AT_FDCWD, path, PASSWORD "\n", strlen(PASSWORD "\n"), 0600, NULL);
}

static int end(void **state) {
    (void)state;
    process_stop(&world.server, USEC_PER_SEC);
    process_stop(&world.tls_server, USEC_PER_SEC);
    durable_remove_tree(AT_FDCWD, world.credentials, NULL);
    free(world.port);
    free(world.tls_port);
    free(world.certificate);
    free(world.credentials);
    return 0;
}

/* One configuration and what its rounds remember. */
struct bench {
    struct settings *settings;
    struct probe_set *set;
    struct probe_memory *memory;
    struct probe_view view;
};

static struct bench bench_of(const char *probes) {
    struct bench bench = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *text =
        xasprintf("[App]\nDirectory=/tmp\nBaseUrl=http://127.0.0.1:%s\n[Database]\nService=db\nName=app\n"
                  "User=app\n[Watch]\nInterval=1s\n%s",
                  world.port, probes);
    if (settings_parse("app", "/tmp/app.conf", text, strlen(text), &bench.settings, &err) < 0 ||
        probe_set_new(bench.settings, &bench.set, &err) < 0)
        fail_msg("%s", error_text(&err));
    bench.memory = probe_memory_new();
    bench.view = (struct probe_view){ .settings = bench.settings, .project = "app" };
    return bench;
}

static void bench_done(struct bench *bench) {
    probe_memory_free(bench->memory);
    probe_set_free(bench->set);
    settings_free(bench->settings);
}

static struct probe_round look(struct bench *bench) {
    struct probe_round round = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    if (probe_round_run(bench->set, &bench->view, bench->memory, deadline_in(60 * USEC_PER_SEC), &round,
                        &err) < 0)
        fail_msg("%s", error_text(&err));
    return round;
}

/* One probe, one round. */
static void expect(const char *keys, enum probe_result result, const char *words) {
    _cleanup_free_ char *section = xasprintf("[Probe it]\nKind=http\n%s", keys);
    struct bench bench = bench_of(section);
    struct probe_round round = look(&bench);
    const struct probe_report *report = &round.reports[0];
    if (report->result != result || !strstr(report->sentence, words))
        fail_msg("%s: %s, \"%s\"", keys, probe_result_name(report->result), report->sentence);
    assert_true(report->looked && !report->session && !report->state);
    probe_round_done(&round);
    bench_done(&bench);
}

static void answers_are_judged(void **state) {
    (void)state;
    static const struct {
        const char *keys;
        enum probe_result result;
        const char *words;
    } cases[] = {
        { "Request=GET /ok\n", PROBE_PASS, "GET /ok answered 200" },
        { "Request=GET /status/500\n", PROBE_FAIL, "GET /status/500 answered 500, wanted 200-299" },
        { "Request=GET /status/404\nStatus=404\n", PROBE_PASS, "answered 404" },
        { "Request=GET /status/304\nStatus=200, 300-399\n", PROBE_PASS, "" },
        { "Request=HEAD /ok\n", PROBE_PASS, "HEAD /ok answered 200" },
        { "Request=GET /ok\nMatch=(?i)ALL IS\n", PROBE_PASS, "" },
        { "Request=GET /ok\nMatch=ready\n", PROBE_FAIL, "a body that does not match \"ready\"" },
        { "Request=GET /ok\nNoMatch=well\n", PROBE_FAIL, "a body that matches \"well\"" },
        { "Request=GET /aaaa\nMatch=^(a+)+$\n", PROBE_UNKNOWN, "was stopped" },
        { "Request=GET /redirect\n", PROBE_FAIL, "answered 302 to http://127.0.0.1:" },
        { "Request=GET /redirect\nFollowRedirects=yes\n", PROBE_PASS, "" },
        { "Request=GET /loop\nFollowRedirects=yes\n", PROBE_FAIL, "redirected more than 10 times" },
        { "Request=GET /projects\nStatus=401\nAssert=.error | startswith(\"who\")\n", PROBE_PASS, "" },
        { "Request=GET /run\nAssert=.status == \"passed\"\nAssert=.steps | length == 2\n", PROBE_PASS, "" },
        { "Request=GET /run\nAssert=.status == \"failed\"\n", PROBE_FAIL,
          "Assert=.status == \"failed\" does not" },
        { "Request=GET /run\nAssert=empty\n", PROBE_FAIL, "does not hold" },
        { "Request=GET /run\nAssert=.steps.screenshot\n", PROBE_FAIL, "ends on with \"Cannot index array" },
        { "Request=GET /html\nAssert=true\n", PROBE_FAIL, "the answer is not valid JSON" },
        { "Request=GET /deep\nAssert=true\n", PROBE_FAIL, "the answer is not valid JSON" },
        { "Request=GET /run\nAssets=.steps[].screenshot\n", PROBE_PASS, "its 2 assets load" },
        { "Request=GET /assets?u=/image/1.png&u=/nowhere.png\nAssets=.urls[]\n", PROBE_FAIL,
          "asset \"/nowhere.png\" answered 404, wanted 200" },
        { "Request=GET /assets?u=/image/1.png&u=/nowhere.png\nAssets=.urls\n", PROBE_FAIL,
          "asset \"/nowhere.png\" answered 404, wanted 200" },
        { "Request=GET /assets?u=/image/1.png&u=/image/2.png\nAssets=[.urls[]]\n", PROBE_PASS,
          "its 2 assets load" },
        { "Request=GET /assets?u=/image/1.png\nAssets=[.urls]\n", PROBE_FAIL, "asset 1 of 1 is no text" },
        { "Request=GET /assets?u=/html/1.png\nAssets=.urls[]\n", PROBE_FAIL, "wanted an image" },
        { "Request=GET /assets?u=/empty-image\nAssets=.urls[]\n", PROBE_FAIL, "nothing in it" },
        { "Request=GET /assets?u=data:image/png;base64,AA\nAssets=.urls[]\n", PROBE_PASS, "" },
        { "Request=GET /newline\nCapture=t=.token\n", PROBE_FAIL, "Capture=t: has a control character" },
        { "Request=GET /newline\nCapture=t=.empty\n", PROBE_FAIL, "Capture=t: is empty" },
        { "Request=GET /newline\nCapture=t=.list\n", PROBE_FAIL, "Capture=t: is not there" },
        { "Request=GET /newline\nCapture=t=.number\n", PROBE_PASS, "" },
        { "Request=GET /html\nCapture=t~<body id=(\\d+)>\n", PROBE_FAIL, "Capture=t: is not there" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        expect(cases[i].keys, cases[i].result, cases[i].words);
}

static void silence_of_the_application_is_a_failure_and_of_others_unknown(void **state) {
    (void)state;
    static const struct {
        const char *keys;
        enum probe_result result;
        const char *words;
    } cases[] = {
        { "Request=GET /slow\nTimeout=1s\n", PROBE_FAIL, "was not answered in time" },
        { "Request=GET /nothing\n", PROBE_FAIL, "got no answer: Empty reply" },
        { "Request=GET /reset\n", PROBE_FAIL, "got no answer" },
        { "Request=GET /garbage\n", PROBE_FAIL, "got no answer" },
        { "Request=GET /big\n", PROBE_UNKNOWN, "more than MaxBody=8388608 bytes" },
        { "Request=GET /big\nMaxBody=10M\n", PROBE_PASS, "" },
        { "Request=GET http://127.0.0.1:1/\n", PROBE_FAIL, "could not connect" },
        { "Request=GET http://127.9.9.9:1/\n", PROBE_FAIL, "could not connect" },
        { "Request=GET http://[::1]:1/\n", PROBE_FAIL, "could not connect" },
        { "Request=GET http://no-such-host.invalid/\n", PROBE_UNKNOWN, "" },
        { "Request=GET /limited\n", PROBE_UNKNOWN, "answered 429: too many requests" },
        { "Request=GET /limited\nStatus=429\n", PROBE_PASS, "" },
        { "Request=GET /maintenance\n", PROBE_FAIL, "answered 503" },
        { "Request=GET /ok\nHeader=X: %{no-such-credential}\n", PROBE_UNKNOWN, "no-such-credential" },
        { "Request=GET /ok\nAssert=[limit(3; repeat(1))] | until(false; .)\nTimeout=1s\n", PROBE_FAIL,
          "JSON" },
        { "Request=GET /run\nAssert=until(false; .)\nTimeout=1s\n", PROBE_UNKNOWN, "did not end within 1s" },
        { "Request=GET /run\nAssert=[range(1e12)]\nTimeout=2s\n", PROBE_UNKNOWN, "" },
        { "Request=GET /run\nAssert=def f: f; f\nTimeout=1s\n", PROBE_UNKNOWN, "" },
        { "Request=GET /run\nAssert=def f: [f]; f\nTimeout=2s\n", PROBE_UNKNOWN, "" },
        { "Request=GET /aaaa\nCapture=t~^(a+)+$\n", PROBE_UNKNOWN, "was stopped" },
        { "Request=GET /aaaa\nVersion=~^(a|aa)+$\n", PROBE_UNKNOWN, "was stopped" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        expect(cases[i].keys, cases[i].result, cases[i].words);
}

static void requests_are_sent_as_written(void **state) {
    (void)state;
    static const char *const cases[] = {
        "Request=GET /echo?q=%{probe-password}\nAssert=.path == \"/echo?q=p%22w%20%25%7Bx%7D%C3%BC\"\n",
        "Request=POST /echo\nJson={\"a\": \"%{probe-password}\", \"b\": [1]}\n"
        "Assert=(.body | fromjson) == {a: \"p\\\"w %{x}ü\", b: [1]}\n"
        "Assert=.headers[\"content-type\"] == \"application/json\"\n",
        "Request=POST /echo\nForm=user=a b&c\nForm=pw=%{probe-password}\n"
        "Assert=.body == \"user=a%20b%26c&pw=p%22w%20%25%7Bx%7D%C3%BC\"\n"
        "Assert=.headers[\"content-type\"] == \"application/x-www-form-urlencoded\"\n",
        "Request=PUT /echo\nHeader=X-One: 1\nHeader=X-Empty:\nHeader=Content-Type: text/csv\nJson=\"x\"\n"
        "Assert=.method == \"PUT\" and .headers[\"x-one\"] == \"1\" and .headers[\"x-empty\"] == \"\"\n"
        "Assert=.headers[\"content-type\"] == \"text/csv\"\n",
        "Request=DELETE /echo\nAssert=.method == \"DELETE\" and .body == \"\"\n",
        "Request=POST /echo\nAssert=.method == \"POST\" and .headers[\"content-length\"] == \"0\"\n",
        "Request=GET /echo\nAssert=.headers[\"user-agent\"] | startswith(\"upgrade-watchdog/\")\n",
        "Request=GET /echo\nHeader=Host: app.example\nAssert=.host == \"app.example\"\n",
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        expect(cases[i], PROBE_PASS, "");
}

static void certificates_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *host, *keys; /* %s: the certificate's file */
        enum probe_result result;
        const char *words;
    } cases[] = {
        { "https://127.0.0.1", "", PROBE_FAIL, "certificate" },
        { "https://127.0.0.1", "Ca=%s\n", PROBE_PASS, "" },
        { "https://localhost", "Ca=%s\n", PROBE_FAIL, "certificate" },
        { "https://localhost", "Insecure=yes\n", PROBE_PASS, "" },
        { "https://localhost", "Insecure=yes\nAssert=.sni == \"localhost\"\n", PROBE_PASS, "" },
        { "https://127.0.0.1", "Ca=/no/such/file\n", PROBE_UNKNOWN, "could not be asked" },
        { "http://127.0.0.1", "", PROBE_FAIL, "got no answer" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct buffer keys = { 0 };
        const char *file = strstr(cases[i].keys, "%s");
        buffer_printf(&keys, "Request=GET %s:%s/sni\n", cases[i].host, world.tls_port);
        buffer_append(&keys, cases[i].keys, file ? (size_t)(file - cases[i].keys) : strlen(cases[i].keys));
        buffer_printf(&keys, "%s%s", file ? world.certificate : "", file ? file + 2 : "");
        _cleanup_free_ char *text = buffer_take(&keys);
        expect(text, cases[i].result, cases[i].words);
    }
}

static const char *const chain =
    "[Probe projects]\nKind=http\nAfter=login\nRequest=GET /projects\n"
    "Header=Authorization: Bearer %{token}\n"
    "Assert=(. | length) >= ($baseline | length)\nSame=map(.name)\n"
    "[Probe login]\nKind=http\nRequest=POST /login\nEvery=5min\n"
    "Json={\"email\": \"a\", \"password\": \"%{probe-password}\"}\nCapture=token=.token\n"
    "[Probe other]\nKind=http\nRequest=GET /ok\n";

static json_int_t logins(void) {
    struct bench bench =
        bench_of("[Probe it]\nKind=http\nRequest=GET /logins\nAssert=$baseline | .logins >= 0\n");
    struct probe_round round = look(&bench);
    json_int_t count = json_get_integer(json_object_get(round.reports[0].answer, "json"), "logins", -1);
    probe_round_done(&round);
    bench_done(&bench);
    return count;
}

static void expect_results(struct bench *bench, const char *expected) {
    struct probe_round round = look(bench);
    char results[16] = "";
    for (size_t i = 0; i < round.count; i++) {
        char one[3] = { "upf"[round.reports[i].result], round.reports[i].looked ? '\0' : '-', '\0' };
        strcat(results, one);
    }
    if (strcmp(results, expected) != 0)
        fail_msg("%s, expected %s: %s | %s | %s", results, expected, round.reports[0].sentence,
                 round.count > 1 ? round.reports[1].sentence : "",
                 round.count > 2 ? round.reports[2].sentence : "");
    probe_round_done(&round);
}

static void a_chain_logs_in_once_and_its_token_is_reused(void **state) {
    (void)state;
    struct bench bench = bench_of(chain);
    json_int_t before = logins();
    expect_results(&bench, "ppp");
    expect_results(&bench, "pp-p");
    expect_results(&bench, "pp-p");
    assert_int_equal(logins(), before + 1);
    bench_done(&bench);
}

static void what_comes_after_a_failure_is_unknown(void **state) {
    (void)state;
    struct bench bench =
        bench_of("[Probe login]\nKind=http\nRequest=POST /login\nJson={\"password\": \"wrong\"}\n"
                 "Capture=token=.token\n"
                 "[Probe projects]\nKind=http\nAfter=login\nRequest=GET /projects\nHeader=A: %{token}\n"
                 "[Probe more]\nKind=http\nAfter=projects\nRequest=GET /ok\n");
    expect_results(&bench, "fuu");
    struct probe_round round = look(&bench);
    assert_string_equal(round.reports[1].sentence, "not looked at, since \"login\" did not pass");
    assert_non_null(strstr(round.reports[0].evidence, "wrong password"));
    assert_non_null(strstr(round.trouble, "Docker cannot be asked"));
    probe_round_done(&round);
    bench_done(&bench);
}

static void credentials_that_the_running_release_refuses_are_named(void **state) {
    (void)state;
    struct bench bench = bench_of("[Probe it]\nKind=http\nRequest=POST /login\n"
                                  "Json={\"password\": \"not %{probe-password}\"}\n");
    bench.view.is_baseline = true;
    struct probe_round round = look(&bench);
    assert_int_equal(round.reports[0].result, PROBE_UNKNOWN);
    assert_string_equal(
        round.reports[0].sentence,
        "POST /login answered 401: the running release refuses %{probe-password}; is it right?");
    probe_round_done(&round);
    bench.view.is_baseline = false;
    expect_results(&bench, "f");
    bench_done(&bench);
}

static void forms_with_a_csrf_field_and_cookies_are_chained(void **state) {
    (void)state;
    struct bench bench =
        bench_of("[Probe page]\nKind=http\nRequest=GET /form\nCapture=csrf~name=\"csrf\" value='([^']+)'\n"
                 "[Probe login]\nKind=http\nAfter=page\nRequest=POST /form\nForm=csrf=%{csrf}\n"
                 "Match=welcome\n"
                 "[Probe alone]\nKind=http\nRequest=POST /form\nForm=csrf=x\nStatus=403\n");
    expect_results(&bench, "ppp");
    bench_done(&bench);
}

static void headers_and_cookies_are_captured(void **state) {
    (void)state;
    struct bench bench = bench_of(
        "[Probe first]\nKind=http\nRequest=GET /double\nCapture=xsrf$XSRF-TOKEN\nCapture=token:x-token\n"
        "Capture=where:Location\n"
        "[Probe then]\nKind=http\nAfter=first\nRequest=POST /double/7\nHeader=X-XSRF-TOKEN: %{xsrf}\n"
        "Header=X-Token: %{token}\nMatch=welcome\n"
        "[Probe no-header]\nKind=http\nRequest=GET /double\nCapture=xsrf2:X-Other\n"
        "[Probe no-cookie]\nKind=http\nRequest=GET /double\nCapture=xsrf3$XSRF\n");
    expect_results(&bench, "ppff");
    bench_done(&bench);
}

/* "p": the page knows the visitor. */
static void expect_guarded(const char *headers, const char *expected) {
    _cleanup_free_ char *probes =
        xasprintf("[Probe first]\nKind=http\nRequest=GET /guarded\n%sStatus=401\n"
                  "[Probe page]\nKind=http\nAfter=first\nRequest=GET /guarded?leave\n%sMatch=welcome\n"
                  "[Probe left]\nKind=http\nAfter=page\nRequest=GET /guarded\n%sStatus=401\n"
                  "[Probe chain]\nKind=http\nRequest=GET /guarded?follow\n%sFollowRedirects=yes\n",
                  headers, headers, headers, headers);
    struct bench bench = bench_of(probes);
    expect_results(&bench, expected);
    bench_done(&bench);
}

static void secure_cookies_are_kept_where_a_proxy_ends_tls(void **state) {
    (void)state;
    expect_guarded("Header=Host: app.example\nHeader=X-Forwarded-Proto: https\n", "pppp");
    expect_guarded("Header=Host: app.example:8443\nHeader=forwarded: for=1.2.3.4;proto=https\n", "pppp");
    expect_guarded("Header=X-Forwarded-Proto: https\n", "pppp");
    /* browsers would not bring them by http either */
    expect_guarded("Header=Host: app.example\n", "pfuf");
    expect_guarded("Header=Host: app.example\nHeader=X-Forwarded-Proto: http\n", "pfuf");
}

static void the_baseline_is_compared_with(void **state) {
    (void)state;
    struct bench bench =
        bench_of("[Probe run]\nKind=http\nRequest=GET /run\nSame={status, steps}\n"
                 "Assets=.steps[].screenshot\n"
                 "[Probe changed]\nKind=http\nRequest=GET /changed\nSame=.rows\n"
                 "[Probe rows]\nKind=http\nRequest=GET /changed\nAssert=.rows >= $baseline.rows\n");
    bench.view.is_baseline = true;
    struct probe_round round = look(&bench);
    assert_null(baseline_failed(round.reports, round.count));
    _cleanup_json_ json_t *baseline = baseline_make(round.reports, round.count);
    probe_round_done(&round);
    bench.view.is_baseline = false;
    bench.view.baseline = baseline;
    expect_results(&bench, "pff");
    json_object_del(json_object_get(baseline, "probes"), "changed");
    json_object_del(json_object_get(baseline, "probes"), "rows");
    expect_results(&bench, "puu");
    bench_done(&bench);
}

/* The baseline by two looks at the running release, as before an upgrade; compared with from here on. */
static json_t *settle_baseline(struct bench *bench) {
    bench->view.is_baseline = true;
    struct probe_round round = look(bench);
    if (baseline_failed(round.reports, round.count))
        fail_msg("%s", baseline_failed(round.reports, round.count)->sentence);
    json_t *baseline = baseline_make(round.reports, round.count);
    probe_round_done(&round);
    usleep(20000);
    bench->view.baseline = baseline;
    probe_memory_look_again(bench->set, bench->memory, baseline);
    round = look(bench);
    if (baseline_failed(round.reports, round.count))
        fail_msg("%s", baseline_failed(round.reports, round.count)->sentence);
    baseline_settle(baseline, round.reports, round.count);
    probe_round_done(&round);
    bench->view.is_baseline = false;
    probe_memory_free(bench->memory);
    bench->memory = probe_memory_new();
    return baseline;
}

/* Makes the server behave so. */
static void set_mode(const char *mode) {
    _cleanup_free_ char *keys = xasprintf("Request=GET /mode?%s\n", mode);
    expect(keys, PROBE_PASS, "");
}

static void expect_look(struct bench *bench, const char *mode, enum probe_result result, const char *words) {
    set_mode(mode);
    struct probe_round round = look(bench);
    if (round.reports[0].result != result || !strstr(round.reports[0].sentence, words))
        fail_msg("%s: %s, \"%s\"", mode, probe_result_name(round.reports[0].result),
                 round.reports[0].sentence);
    probe_round_done(&round);
}

static void screenshots_must_be_all_there_whole_and_different(void **state) {
    (void)state;
    set_mode("shots=good");
    struct bench bench = bench_of("[Probe it]\nKind=http\nRequest=GET /shots\nAssets=.shots[]\nSame=true\n");
    json_t *baseline = settle_baseline(&bench);
    expect_look(&bench, "shots=good", PROBE_PASS, "its 3 assets load");
    expect_look(&bench, "shots=same", PROBE_FAIL, "its 3 assets are all the same");
    expect_look(&bench, "shots=twice", PROBE_FAIL, "only 2 of its 3 assets are different");
    expect_look(&bench, "shots=fewer", PROBE_FAIL, "with 2 assets, the baseline had 3");
    expect_look(&bench, "shots=none", PROBE_FAIL, "with no assets, the baseline had 3");
    expect_look(&bench, "shots=cut", PROBE_FAIL, "asset \"/shot/1.png\" is cut off");
    expect_look(&bench, "shots=short", PROBE_FAIL, "asset \"/shot/1.png\" got no answer");
    expect_look(&bench, "shots=good", PROBE_PASS, "");
    json_decref(baseline);
    bench_done(&bench);
}

static void lists_in_html_are_compared(void **state) {
    (void)state;
    static const struct {
        const char *mode;
        enum probe_result result;
        const char *words;
    } cases[] = {
        { "rows=B%C3%A4ckerei,M%26M", PROBE_PASS, "" },
        { "rows=B%C3%A4ckerei", PROBE_FAIL, "it was a list of 2, is a list of 1" },
        { "rows=B%C3%A4ckerei,Other", PROBE_FAIL, "[1] was \"M&M\", is \"Other\"" },
        { "rows=-", PROBE_FAIL, "does not match \"<td>([^<]+)</td>\"" },
    };
    set_mode(cases[0].mode);
    struct bench bench = bench_of("[Probe it]\nKind=http\nRequest=GET /rows\nSame=~<td>([^<]+)</td>\n");
    json_t *baseline = settle_baseline(&bench);
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        expect_look(&bench, cases[i].mode, cases[i].result, cases[i].words);
    json_decref(baseline);
    bench_done(&bench);
}

static void what_a_page_links_to_must_load(void **state) {
    (void)state;
    set_mode("page=good");
    struct bench bench = bench_of("[Probe it]\nKind=http\nRequest=GET /page\nAssets=html\n");
    json_t *baseline = settle_baseline(&bench);
    expect_look(&bench, "page=good", PROBE_PASS, "3 of its 4 assets looked at load");
    expect_look(&bench, "page=renamed", PROBE_PASS, "");
    expect_look(&bench, "page=gone", PROBE_FAIL, "asset \"/asset/app-old.js\" answered 404");
    expect_look(&bench, "page=lost", PROBE_FAIL, "of the type \"text/html\", wanted a stylesheet");
    expect_look(&bench, "page=blank", PROBE_FAIL, "with no assets, the baseline had 4");
    json_decref(baseline);
    bench_done(&bench);
}

static void the_version_tells_who_answers(void **state) {
    (void)state;
    struct probe_expected old = { .service = "web", .version = "1.2.4", .must_run = true },
                          new = { .service = "web", .version = "v1.3.0", .must_run = true },
                          other = { .service = "web", .version = "24.04", .must_run = true };
    set_mode("version=1.2.4");
    struct bench bench = bench_of("[Probe it]\nKind=http\nRequest=GET /version\nVersion=.version\n");
    bench.view.expected = &old;
    bench.view.expected_count = 1;
    json_t *baseline = settle_baseline(&bench);
    expect_look(&bench, "version=1.2.4", PROBE_PASS, "");
    bench.view.expected = &new;
    expect_look(&bench, "version=1.3.0", PROBE_PASS, "");
    expect_look(&bench, "version=1.2.4", PROBE_FAIL,
                "says that it is version \"1.2.4\", and \"v1.3.0\" should run");
    expect_look(&bench, "version=", PROBE_FAIL, "");
    json_decref(baseline);
    bench_done(&bench);
    /* a label that has nothing to do with it */
    set_mode("version=1.2.4");
    bench = bench_of("[Probe it]\nKind=http\nRequest=GET /version\nVersion=.version\n");
    bench.view.expected = &other;
    bench.view.expected_count = 1;
    baseline = settle_baseline(&bench);
    expect_look(&bench, "version=1.3.0", PROBE_PASS, "");
    expect_look(&bench, "version=1.2.4", PROBE_FAIL, "and was \"1.3.0\" the time before");
    json_decref(baseline);
    bench_done(&bench);
}

static void times_are_compared_with_the_baselines_own(void **state) {
    (void)state;
    set_mode("pause=0.3");
    struct bench bench = bench_of("[Probe it]\nKind=http\nRequest=GET /paused\nMaxTime=3x\n");
    json_t *baseline = settle_baseline(&bench);
    expect_look(&bench, "pause=0.6", PROBE_PASS, "");
    expect_look(&bench, "pause=1.5", PROBE_FAIL, "MaxTime=3x allows 9");
    bench_done(&bench);
    expect("Request=GET /paused\nMaxTime=1s\n", PROBE_FAIL, "MaxTime=1s allows 1s");
    set_mode("pause=0");
    bench = bench_of("[Probe it]\nKind=http\nRequest=GET /paused\nMaxTime=3x\n");
    json_t *quick = settle_baseline(&bench);
    expect_look(&bench, "pause=0.3", PROBE_PASS, "");
    expect_look(&bench, "pause=0.8", PROBE_FAIL, "allows 500ms");
    json_decref(quick);
    json_decref(baseline);
    bench_done(&bench);
}

static void what_changes_by_itself_is_left_out_and_nothing_else(void **state) {
    (void)state;
    set_mode("version=1.2.4");
    struct bench bench =
        bench_of("[Probe it]\nKind=http\nRequest=GET /version\nSame=.\n"
                 "[Probe loose]\nKind=http\nRequest=GET /version\nAssert=. == $baseline\n"
                 "[Probe strict]\nKind=http\nRequest=GET /version\nAssert=.n >= $baseline.n\n");
    _cleanup_json_ json_t *baseline = settle_baseline(&bench);
    expect_results(&bench, "ppp");
    expect_look(&bench, "version=1.3.0", PROBE_FAIL, ".version was \"1.2.4\", is \"1.3.0\"");
    expect_results(&bench, "ffp");
    set_mode("version=1.2.4");
    /* a counter that only grows is held to that */
    json_t *strict = json_path(baseline, "probes.strict.answer.json");
    json_object_set_new(strict, "n", json_integer(1000000));
    expect_results(&bench, "ppf");
    bench_done(&bench);
    bench = bench_of("[Probe it]\nKind=http\nRequest=GET /version\nSame=.time\n");
    bench.view.is_baseline = true;
    struct probe_round round = look(&bench);
    json_t *moving = baseline_make(round.reports, round.count);
    probe_round_done(&round);
    bench.view.baseline = moving;
    usleep(20000); /* numbers keep twelve digits: a time of now, hundredths of a second */
    expect_look(&bench, "version=1.2.4", PROBE_UNKNOWN, "another value in each look");
    json_decref(moving);
    bench_done(&bench);
}

static void fields_of_forms_are_captured_decoded(void **state) {
    (void)state;
    static const char *const captures[] = { "t@_token", "t~value='([^']+)' type=hidden name=\"_token\"" };
    for (size_t i = 0; i < ELEMENTS(captures); i++) {
        _cleanup_free_ char *probes =
            xasprintf("[Probe page]\nKind=http\nRequest=GET /field\nCapture=%s\n"
                      "[Probe post]\nKind=http\nAfter=page\nRequest=POST /field\nForm=_token=%%{t}\n",
                      captures[i]);
        struct bench bench = bench_of(probes);
        expect_results(&bench, "pp");
        bench_done(&bench);
    }
}

static void no_secret_is_ever_shown(void **state) {
    (void)state;
    struct bench bench = bench_of(
        "[Probe login]\nKind=http\nRequest=POST /login\nJson={\"password\": \"%{probe-password}\"}\n"
        "Capture=token=.token\nSame=.\nAssert=$baseline != null\n"
        "[Probe echo]\nKind=http\nAfter=login\nRequest=POST /echo?t=%{token}&p=%{probe-password}\n"
        "Form=p=%{probe-password}\nHeader=Authorization: Bearer %{token}\nStatus=201\nCapture=whole=.path\n"
        "[Probe asset]\nKind=http\nAfter=login\nRequest=POST /echo\nJson={\"u\": \"/nowhere/%{token}\"}\n"
        "Assets=.body | fromjson | .u\n"
        "[Probe leak]\nKind=http\nAfter=login\nRequest=GET /leak\n");
    struct probe_round round = look(&bench);
    struct buffer all = { 0 };
    for (size_t i = 0; i < round.count; i++) {
        _cleanup_json_ json_t *report = probe_report_to_json(&round.reports[i]);
        _cleanup_free_ char *text = json_text(report);
        buffer_printf(&all, "%s\n", text);
    }
    _cleanup_json_ json_t *baseline = baseline_make(round.reports, round.count);
    _cleanup_free_ char *text = json_text(baseline);
    buffer_printf(&all, "%s\n", text);
    assert_int_equal(round.reports[0].result, PROBE_PASS);
    assert_int_equal(round.reports[1].result, PROBE_FAIL);
    assert_int_equal(round.reports[2].result, PROBE_FAIL);
    assert_string_equal(round.reports[3].evidence, "{\"error\": \"wrong password ***?\"}");
    assert_non_null(strstr(round.reports[2].sentence, "asset \"/nowhere/***\" answered 404"));
    static const char *const secrets[] = { "token-0", "p\"w", "p\\\"w", "p\\\\\\\"w", "p%22w", "p%5C%22w" };
    for (size_t i = 0; i < ELEMENTS(secrets); i++)
        if (strstr(all.text, secrets[i]))
            fail_msg("%s is in:\n%s", secrets[i], all.text);
    assert_non_null(strstr(all.text, "***"));
    buffer_done(&all);
    probe_round_done(&round);
    bench_done(&bench);
}

static void a_429_is_not_asked_again_before_its_time(void **state) {
    (void)state;
    struct bench bench = bench_of("[Probe it]\nKind=http\nRequest=GET /limited\n");
    expect_results(&bench, "u");
    expect_results(&bench, "u-");
    bench_done(&bench);
}

static void a_dear_request_that_fails_is_repeated_ever_more_rarely(void **state) {
    (void)state;
    struct bench bench = bench_of("[Probe it]\nKind=http\nRequest=GET /status/401\nEvery=5min\n"
                                  "[Probe down]\nKind=http\nRequest=GET http://127.0.0.1:1/\nEvery=5min\n"
                                  "[Probe proxy]\nKind=http\nRequest=GET /status/502\nEvery=5min\n");
    expect_results(&bench, "fff");
    expect_results(&bench, "f-ff");
    usleep(1100000);
    expect_results(&bench, "fff");
    usleep(1100000);
    expect_results(&bench, "f-ff");
    bench_done(&bench);
}

static void one_that_hangs_does_not_hold_up_the_others(void **state) {
    (void)state;
    struct bench bench =
        bench_of("[Probe hang]\nKind=http\nRequest=GET /run\nAssert=until(false; .)\nTimeout=2s\n"
                 "[Probe next]\nKind=http\nAfter=hang\nRequest=GET /ok\n"
                 "[Probe other]\nKind=http\nRequest=GET /ok\n");
    usec_t begun = clock_boottime();
    expect_results(&bench, "uup");
    assert_true(clock_boottime() - begun < 10 * USEC_PER_SEC);
    bench_done(&bench);
}

static void a_round_ends_at_its_deadline(void **state) {
    (void)state;
    struct bench bench = bench_of("[Probe slow]\nKind=http\nRequest=GET /slow\n"
                                  "[Probe jq]\nKind=http\nRequest=GET /run\nAssert=until(false; .)\n"
                                  "[Probe ok]\nKind=http\nRequest=GET /ok\n");
    struct probe_round round = { 0 };
    usec_t begun = clock_boottime();
    assert_int_equal(
        probe_round_run(bench.set, &bench.view, bench.memory, deadline_in(USEC_PER_SEC), &round, NULL), 0);
    assert_true(clock_boottime() - begun < 5 * USEC_PER_SEC);
    assert_int_equal(round.reports[0].result, PROBE_FAIL);
    assert_int_equal(round.reports[1].result, PROBE_UNKNOWN);
    assert_int_equal(round.reports[2].result, PROBE_PASS);
    probe_round_done(&round);
    bench_done(&bench);
}

static void no_child_and_no_descriptor_is_left_behind(void **state) {
    (void)state;
    struct bench bench = bench_of(chain);
    int before = dup(0);
    close(before);
    for (int i = 0; i < 5; i++) {
        struct probe_round round = look(&bench);
        probe_round_done(&round);
    }
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
    bench_done(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_judged),
        cmocka_unit_test(silence_of_the_application_is_a_failure_and_of_others_unknown),
        cmocka_unit_test(requests_are_sent_as_written),
        cmocka_unit_test(certificates_are_checked),
        cmocka_unit_test(a_chain_logs_in_once_and_its_token_is_reused),
        cmocka_unit_test(what_comes_after_a_failure_is_unknown),
        cmocka_unit_test(credentials_that_the_running_release_refuses_are_named),
        cmocka_unit_test(forms_with_a_csrf_field_and_cookies_are_chained),
        cmocka_unit_test(lists_in_html_are_compared),
        cmocka_unit_test(headers_and_cookies_are_captured),
        cmocka_unit_test(secure_cookies_are_kept_where_a_proxy_ends_tls),
        cmocka_unit_test(the_baseline_is_compared_with),
        cmocka_unit_test(screenshots_must_be_all_there_whole_and_different),
        cmocka_unit_test(what_a_page_links_to_must_load),
        cmocka_unit_test(the_version_tells_who_answers),
        cmocka_unit_test(times_are_compared_with_the_baselines_own),
        cmocka_unit_test(what_changes_by_itself_is_left_out_and_nothing_else),
        cmocka_unit_test(fields_of_forms_are_captured_decoded),
        cmocka_unit_test(no_secret_is_ever_shown),
        cmocka_unit_test(a_429_is_not_asked_again_before_its_time),
        cmocka_unit_test(a_dear_request_that_fails_is_repeated_ever_more_rarely),
        cmocka_unit_test(one_that_hangs_does_not_hold_up_the_others),
        cmocka_unit_test(a_round_ends_at_its_deadline),
        cmocka_unit_test(no_child_and_no_descriptor_is_left_behind),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
