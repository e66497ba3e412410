/* What a registry's answers mean, and credentials. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/process.h"
#include "watchdog/docker/auth.h"
#include "watchdog/docker/registry-client.h"
#include "watchdog/docker/registry.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void a_challenge_is_understood(void **state) {
    (void)state;
    static const struct {
        const char *text, *scheme, *realm, *service, *scope;
    } cases[] = {
        { "Bearer "
          "realm=\"https://auth.example/token\",service=\"registry.example\",scope=\"repository:a/b:pull\"",
          "bearer", "https://auth.example/token", "registry.example", "repository:a/b:pull" },
        { " bearer service=x , Realm=https://a/t\r\n", "bearer", "https://a/t", "x", NULL },
        { "Bearer realm=\"a\\\"b\"", "bearer", "a\"b", NULL, NULL },
        { "Basic realm=\"Registry Realm\"", "basic", "Registry Realm", NULL, NULL },
        { "Basic", "basic", NULL, NULL, NULL },
        { "Bearer", NULL, NULL, NULL, NULL },
        { "Bearer realm=\"\"", NULL, NULL, NULL, NULL },
        { "Negotiate abc==", NULL, NULL, NULL, NULL },
        { "", NULL, NULL, NULL, NULL },
        { "Bearer realm=\"unended", "bearer", "unended", NULL, NULL },
        { "Bearer =\"x\",,,realm", NULL, NULL, NULL, NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct challenge challenge = { 0 };
        int r = challenge_parse(cases[i].text, &challenge);
        assert_int_equal(r, cases[i].scheme ? 0 : -EBADMSG);
        assert_true(string_equal(challenge.scheme, cases[i].scheme));
        assert_true(string_equal(challenge.realm, cases[i].realm));
        assert_true(string_equal(challenge.service, cases[i].service));
        assert_true(string_equal(challenge.scope, cases[i].scope));
        challenge_done(&challenge);
    }
}

static void the_manifest_of_this_machine_is_chosen(void **state) {
    (void)state;
    static const struct {
        const char *text, *digest;
        int r;
    } cases[] = {
        { "{\"manifests\":[{\"digest\":\"" A "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}},"
          "{\"digest\":\"" B "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}]}",
          B, 0 },
        { "{\"manifests\":[{\"digest\":\"" A
          "\",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}},"
          "{\"digest\":\"" A "\",\"platform\":{\"os\":\"windows\",\"architecture\":\"amd64\"}}]}",
          NULL, -ENOENT },
        { "{\"manifests\":[{\"digest\":\"../"
          "x\",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}]}",
          NULL, -EBADMSG },
        { "{\"manifests\":[1,null,{}]}", NULL, -ENOENT },
        { "{}", NULL, -ENOENT },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *index = NULL;
        const char *digest = NULL;
        assert_int_equal(json_parse(cases[i].text, strlen(cases[i].text), "the index", &index, NULL), 0);
        assert_int_equal(registry_choose_platform(index, "amd64", &digest, NULL), cases[i].r);
        assert_true(string_equal(digest, cases[i].digest));
    }
}

static void credentials_are_found_as_docker_login_left_them(void **state) {
    (void)state;
    static const char config[] =
        "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dXNlcjpwYXNz\"},"
        "\"127.0.0.1:5000\":{\"auth\":\"YTpiOmM=\"},\"https://old.example/v1/\":{\"auth\":\"eDp5\"},"
        "\"token.example\":{\"auth\":\"PHRva2VuPjo=\",\"identitytoken\":\"id\"},"
        "\"empty.example\":{},\"bad.example\":{\"auth\":\"%%%\"}},\"credHelpers\":{\"gone.example\":"
        "\"nosuch\"}}";
    static const struct {
        const char *host;
        int r;
        const char *username, *password, *token;
    } cases[] = {
        { "docker.io", 1, "user", "pass", NULL }, { "127.0.0.1:5000", 1, "a", "b:c", NULL },
        { "old.example", 1, "x", "y", NULL },     { "token.example", 1, "<token>", "", "id" },
        { "empty.example", 0, NULL, NULL, NULL }, { "bad.example", 0, NULL, NULL, NULL },
        { "other.example", 0, NULL, NULL, NULL }, { "gone.example", -EACCES, NULL, NULL, NULL },
    };
    char directory[] = "/tmp/docker-config-XXXXXX";
    assert_non_null(mkdtemp(directory));
    _cleanup_free_ char *path = xasprintf("%s/config.json", directory);
    assert_int_equal(durable_write(AT_FDCWD, path, config, strlen(config), 0600, NULL), 0);
    setenv("DOCKER_CONFIG", directory, 1);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_auth_ struct auth auth = { 0 };
        assert_int_equal(auth_find(cases[i].host, deadline_in(10 * USEC_PER_SEC), &auth, NULL), cases[i].r);
        assert_true(string_equal(auth.username, cases[i].username));
        assert_true(string_equal(auth.password, cases[i].password));
        assert_true(string_equal(auth.identity_token, cases[i].token));
    }
    assert_int_equal(durable_remove_tree(AT_FDCWD, directory, NULL), 0);
    struct auth none = { 0 };
    assert_int_equal(auth_find("docker.io", deadline_in(USEC_PER_SEC), &none, NULL), 0);
}

static void put_helper(const char *directory, const char *name, const char *script) {
    _cleanup_free_ char *path = xasprintf("%s/docker-credential-%s", directory, name),
                        *text = xasprintf("#!/bin/sh\nread server\n[ \"$1\" = get ] || exit 9\n%s\n", script);
    assert_int_equal(durable_write(AT_FDCWD, path, text, strlen(text), 0700, NULL), 0);
}

static void a_credential_helper_is_asked_as_docker_asks_it(void **state) {
    (void)state;
    static const char config[] =
        "{\"auths\":{\"none.example\":{\"auth\":\"YTpi\"}},\"credsStore\":\"none\","
        "\"credHelpers\":{\"good.example\":\"good\",\"token.example\":\"token\","
        "\"https://index.docker.io/v1/\":\"good\",\"broken.example\":\"broken\","
        "\"leaks.example\":\"leaks\",\"hangs.example\":\"hangs\",\"empty.example\":\"empty\","
        "\"gone.example\":\"gone\",\"odd.example\":\"../x\"}}";
    static const struct {
        const char *name, *script;
    } helpers[] = {
        { "good", "echo '{\"ServerURL\":\"x\",\"Username\":\"'$server'\",\"Secret\":\"geheim\"}'" },
        { "token", "echo '{\"Username\":\"<token>\",\"Secret\":\"geheim\"}'" },
        { "none", "echo 'credentials not found in native keychain'; exit 1" },
        { "empty", "echo '{}'" },
        { "broken", "echo 'the key ring is locked'; exit 1" },
        { "leaks", "echo '{\"Username\":\"u\",\"Secret\":\"geheim\"}'; exit 3" },
        { "hangs", "exec sleep 100" },
    };
    static const struct {
        const char *host;
        int r;
        const char *username, *password, *token, *words;
    } cases[] = {
        { "good.example", 1, "good.example", "geheim", NULL, NULL },
        { "docker.io", 1, "https://index.docker.io/v1/", "geheim", NULL, NULL },
        { "token.example", 1, NULL, NULL, "geheim", NULL },
        { "none.example", 0, NULL, NULL, NULL, NULL }, /* the file is not asked behind a helper's back */
        { "empty.example", 0, NULL, NULL, NULL, NULL },
        { "broken.example", -EACCES, NULL, NULL, NULL, "the key ring is locked" },
        { "leaks.example", -EACCES, NULL, NULL, NULL, "exited with 3" },
        { "hangs.example", -ETIME, NULL, NULL, NULL, "did not end in time" },
        { "gone.example", -EACCES, NULL, NULL, NULL, "\"docker-credential-gone\", which is not in PATH" },
        { "odd.example", -EACCES, NULL, NULL, NULL, "is no name of a credential helper" },
    };
    char directory[] = "/tmp/docker-helper-XXXXXX";
    assert_non_null(mkdtemp(directory));
    _cleanup_free_ char *path = xasprintf("%s/config.json", directory), *before = xstrdup(getenv("PATH")),
                        *with = xasprintf("%s:%s", directory, before);
    assert_int_equal(durable_write(AT_FDCWD, path, config, strlen(config), 0600, NULL), 0);
    for (size_t i = 0; i < ELEMENTS(helpers); i++)
        put_helper(directory, helpers[i].name, helpers[i].script);
    setenv("DOCKER_CONFIG", directory, 1);
    setenv("PATH", with, 1);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_auth_ struct auth auth = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        usec_t time = string_equal(cases[i].host, "hangs.example") ? USEC_PER_SEC / 2 : 20 * USEC_PER_SEC;
        assert_int_equal(auth_find(cases[i].host, deadline_in(time), &auth, &err), cases[i].r);
        assert_true(string_equal(auth.username, cases[i].username));
        assert_true(string_equal(auth.password, cases[i].password));
        assert_true(string_equal(auth.identity_token, cases[i].token));
        if (cases[i].words)
            assert_non_null(strstr(error_text(&err), cases[i].words));
        assert_null(strstr(error_text(&err), "geheim"));
    }
    setenv("PATH", before, 1);
    assert_int_equal(durable_remove_tree(AT_FDCWD, directory, NULL), 0);
}

/* What a registry that wants a bearer token sees of an identity token, and of a password. */
static void a_token_is_asked_for_with_what_docker_login_left(void **state) {
    (void)state;
    static const struct {
        const char *entry;
        int r;
    } cases[] = {
        { "{\"auth\":\"PHRva2VuPjo=\",\"identitytoken\":\"refresh/+=\"}", 0 },
        { "{\"auth\":\"dXNlcjpnZWhlaW0=\"}", 0 },
        { "{\"auth\":\"dXNlcjpmYWxzY2g=\"}", -EACCES },
        { "{}", -EACCES },
    };
    char *argv[] = { (char *)"python3", (char *)"tests/unit/token-registry.py", NULL };
    const struct process process = { .argv = argv, .deadline = USEC_INFINITY };
    struct process_child server;
    char port[16] = "", directory[] = "/tmp/docker-token-XXXXXX";
    assert_non_null(mkdtemp(directory));
    assert_int_equal(process_start(&process, &server, NULL), 0);
    struct pollfd polled = { server.output_fd, POLLIN, 0 };
    assert_int_equal(poll(&polled, 1, 20000), 1);
    assert_true(read(server.output_fd, port, sizeof(port) - 1) > 0);
    port[strcspn(port, "\n")] = '\0';
    _cleanup_free_ char *path = xasprintf("%s/config.json", directory),
                        *host = xasprintf("127.0.0.1:%s", port);
    setenv("DOCKER_CONFIG", directory, 1);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *config = xasprintf("{\"auths\":{\"%s\":%s}}", host, cases[i].entry);
        _cleanup_buffer_ struct buffer answer = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        struct registry registry = { 0 };
        assert_int_equal(durable_write(AT_FDCWD, path, config, strlen(config), 0600, NULL), 0);
        assert_int_equal(registry_open(host, "a/b", true, deadline_in(20 * USEC_PER_SEC), &registry, &err),
                         0);
        assert_int_equal(registry_get(&registry, "manifests/1", NULL, 1000, &answer, &err), cases[i].r);
        if (cases[i].r == 0)
            assert_string_equal(answer.text, "the manifest");
        else
            assert_non_null(strstr(error_text(&err), "docker login"));
        assert_null(strstr(error_text(&err), "falsch"));
        registry_done(&registry);
    }
    process_stop(&server, USEC_PER_SEC);
    assert_int_equal(durable_remove_tree(AT_FDCWD, directory, NULL), 0);
}

static void what_a_registry_refused_is_explained(void **state) {
    (void)state;
    static const struct {
        const char *text, *host;
        bool known;
        const char *words;
    } cases[] = {
        { "unauthorized: authentication required", "r.example", true,
          "did not accept the login that is known from \"/x/config.json\", log in anew: docker login "
          "r.example" },
        { "no basic auth credentials", "r.example", false,
          "none for it is known from \"/x/config.json\", log in: docker login r.example" },
        { "pull access denied", "docker.io", false, "log in: docker login" },
        { "connection refused", "r.example", true, NULL },
    };
    setenv("DOCKER_CONFIG", "/x", 1);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        error_set(&err, EPROTO, "%s", cases[i].text);
        assert_int_equal(auth_explain(cases[i].host, cases[i].known, &err),
                         cases[i].words ? -EACCES : -EPROTO);
        assert_true(string_starts_with(error_text(&err), cases[i].text));
        assert_true(string_ends_with(error_text(&err), cases[i].words ? cases[i].words : cases[i].text));
    }
}

static void the_header_for_the_engine_is_base64_for_urls(void **state) {
    (void)state;
    struct auth auth = { .username = (char *)"u", .password = (char *)"\x7f?>~~~", .server = (char *)"h" };
    _cleanup_free_ char *header = auth_header(&auth);
    assert_null(strpbrk(header, "+/"));
    for (char *at = header; *at; at++)
        *at = *at == '-' ? '+' : *at == '_' ? '/' : *at;
    char plain[256] = { 0 };
    assert_true(EVP_DecodeBlock((unsigned char *)plain, (const unsigned char *)header, (int)strlen(header)) >
                0);
    _cleanup_json_ json_t *value = NULL;
    assert_int_equal(json_parse(plain, strlen(plain), "the header", &value, NULL), 0);
    assert_string_equal(json_get_string(value, "password", ""), "\x7f?>~~~");
    assert_string_equal(json_get_string(value, "serveraddress", ""), "h");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_challenge_is_understood),
        cmocka_unit_test(the_manifest_of_this_machine_is_chosen),
        cmocka_unit_test(credentials_are_found_as_docker_login_left_them),
        cmocka_unit_test(a_credential_helper_is_asked_as_docker_asks_it),
        cmocka_unit_test(a_token_is_asked_for_with_what_docker_login_left),
        cmocka_unit_test(what_a_registry_refused_is_explained),
        cmocka_unit_test(the_header_for_the_engine_is_base64_for_urls),
    };
    return RUN(tests);
}
