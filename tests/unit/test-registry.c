/* What a registry's answers mean, and credentials. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
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
        { "other.example", 0, NULL, NULL, NULL }, { "gone.example", -ENOENT, NULL, NULL, NULL },
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
        cmocka_unit_test(the_header_for_the_engine_is_base64_for_urls),
    };
    return RUN(tests);
}
