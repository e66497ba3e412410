/* One scalar changes, and it can be taken back byte for byte. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/docker/pins.h"
#include "watchdog/docker/reference.h"

#define OLD "127.0.0.1:5000/qaid/server:1"
#define HEX "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST "@sha256:" HEX
#define LATER "@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NEW OLD DIGEST
#define COMMENT " # upgrade-watchdog T-1: was " OLD

static const struct {
    const char *name, *before, *after;
} edits[] = {
    { "a plain scalar", "services:\n  web:\n    image: " OLD "\n",
      "services:\n  web:\n    image: " NEW COMMENT "\n" },
    { "without a line end at the end of the file", "services:\n  web:\n    image: " OLD,
      "services:\n  web:\n    image: " NEW COMMENT },
    { "single quotes", "services:\n  web:\n    image: '" OLD "'\n",
      "services:\n  web:\n    image: '" NEW "'" COMMENT "\n" },
    { "double quotes", "services:\n  web:\n    image: \"" OLD "\"\n",
      "services:\n  web:\n    image: \"" NEW "\"" COMMENT "\n" },
    { "blanks and tabs behind it", "services:\n  web:\n    image:\t " OLD " \t \n    tty: true\n",
      "services:\n  web:\n    image:\t " NEW COMMENT " \t \n    tty: true\n" },
    { "a comment behind it: no second one", "services:\n  web:\n    image: " OLD " # do not touch\n",
      "services:\n  web:\n    image: " NEW " # do not touch\n" },
    { "line ends of Windows", "services:\r\n  web:\r\n    image: " OLD "\r\n    tty: true\r\n",
      "services:\r\n  web:\r\n    image: " NEW COMMENT "\r\n    tty: true\r\n" },
    { "a byte order mark", "\xEF\xBB\xBFservices:\n  web:\n    image: " OLD "\n",
      "\xEF\xBB\xBFservices:\n  web:\n    image: " NEW COMMENT "\n" },
    { "umlauts, emoji and other line ends before it",
      "# Größe: ÄÖÜ \xF0\x9F\x90\xB3 \xE2\x82\xAC\n"
      "x-note: \"\xC3\xA4\xE2\x80\xA8\xC2\x85\"\nservices:\n  web: {image: " OLD "}\n",
      "# Größe: ÄÖÜ \xF0\x9F\x90\xB3 \xE2\x82\xAC\n"
      "x-note: \"\xC3\xA4\xE2\x80\xA8\xC2\x85\"\nservices:\n  web: {image: " NEW "}\n" },
    { "a flow mapping", "services: {db: {image: 'x:1'}, web: {image: " OLD ", tty: true}}\n",
      "services: {db: {image: 'x:1'}, web: {image: " NEW ", tty: true}}\n" },
    { "a flow mapping over lines", "services: {\n  web: {\n    image: " OLD "\n  }\n}\n",
      "services: {\n  web: {\n    image: " NEW COMMENT "\n  }\n}\n" },
    { "JSON", "{\"services\":{\"web\":{\"image\":\"" OLD "\",\"tty\":true}}}",
      "{\"services\":{\"web\":{\"image\":\"" NEW "\",\"tty\":true}}}" },
    { "quoted keys", "\"services\":\n  'web':\n    \"image\": " OLD "\n",
      "\"services\":\n  'web':\n    \"image\": " NEW COMMENT "\n" },
    { "the same value elsewhere",
      "x-image: " OLD "\nservices:\n  a:\n    image: " OLD "\n    labels: [" OLD "]\n  web:\n    build:\n"
      "      image: " OLD "\n    image: " OLD "\n  z:\n    image: " OLD "\n",
      "x-image: " OLD "\nservices:\n  a:\n    image: " OLD "\n    labels: [" OLD "]\n  web:\n    build:\n"
      "      image: " OLD "\n    image: " NEW COMMENT "\n  z:\n    image: " OLD "\n" },
    { "an anchor on the service that nobody uses", "services:\n  web: &web\n    image: " OLD "\n",
      "services:\n  web: &web\n    image: " NEW COMMENT "\n" },
    { "a merge key beside its own image",
      "x-a: &a {tty: true}\nservices:\n  web:\n    <<: *a\n    image: " OLD "\n",
      "x-a: &a {tty: true}\nservices:\n  web:\n    <<: *a\n    image: " NEW COMMENT "\n" },
    { "a document mark", "---\nservices:\n  web:\n    image: " OLD "\n...\n",
      "---\nservices:\n  web:\n    image: " NEW COMMENT "\n...\n" },
    { "a service extended with an image of its own",
      "services:\n  web:\n    image: " OLD "\n  b:\n    extends: web\n    image: b:1\n",
      "services:\n  web:\n    image: " NEW COMMENT "\n  b:\n    extends: web\n    image: b:1\n" },
    { "the scalar on the next line", "services:\n  web:\n    image:\n      " OLD "\n",
      "services:\n  web:\n    image:\n      " NEW COMMENT "\n" },
    { "a sequence as key and odd keys",
      "? [a, b]\n: c\nservices:\n  ? {x: y}\n  : {image: q}\n  web:\n    image: " OLD "\n",
      "? [a, b]\n: c\nservices:\n  ? {x: y}\n  : {image: q}\n  web:\n    image: " NEW COMMENT "\n" },
};

static void only_the_scalar_changes_and_it_comes_back(void **state) {
    (void)state;
    for (size_t i = 0; i < ELEMENTS(edits); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *edited = NULL, *back = NULL, *again = NULL;
        size_t size, back_size, again_size;
        int r = pins_edit(edits[i].before, strlen(edits[i].before), "web", NEW, "T-1", &edited, &size, &err);
        if (r < 0 || strcmp(edited, edits[i].after) != 0)
            fail_msg("%s: %s\n%s", edits[i].name, error_text(&err), edited ? edited : "");
        assert_int_equal(size, strlen(edited));
        _cleanup_pin_ struct pin pin = { 0 };
        assert_int_equal(pins_read(edited, size, "web", &pin, &err), 0);
        assert_string_equal(pin.image, NEW);
        assert_int_equal(pin.was != NULL, strstr(edited, COMMENT) != NULL);
        assert_int_equal(pins_remove(edited, size, "web", OLD, &back, &back_size, &err), 0);
        assert_string_equal(back, edits[i].before);
        /* Moved on by a later transaction, it still leads back to what the user wrote. */
        assert_int_equal(pins_edit(edited, size, "web", OLD LATER, "T-2", &again, &again_size, &err), 0);
        replace_string(back, NULL);
        assert_int_equal(pins_remove(again, again_size, "web", OLD, &back, &back_size, &err), 0);
        assert_string_equal(back, edits[i].before);
    }
}

/* With variables the whole scalar is pinned, and comes back whole. */
static void a_scalar_with_variables_is_pinned_and_comes_back(void **state) {
    (void)state;
    static const struct {
        const char *before, *value, *after, *user; /* @user: what somebody writes over the value of the pin */
        bool still_ours;
    } cases[] = {
        { "services:\n  web:\n    image: qaid/server:${TAG:-1}\n", "qaid/server:${TAG:-1}",
          "services:\n  web:\n    image: qaid/server:1" DIGEST
          " # upgrade-watchdog T-1: was qaid/server:${TAG:-1}\n",
          "qaid/server:2" DIGEST, true },
        { "services:\n  web:\n    image: \"${REGISTRY}/server:${TAG}\" \n", "${REGISTRY}/server:${TAG}",
          "services:\n  web:\n    image: \"qaid/server:1" DIGEST
          "\" # upgrade-watchdog T-1: was ${REGISTRY}/server:${TAG} \n",
          "qaid/server:2", false },
        { "services: {web: {image: '${IMAGE}', tty: true}}\n", "${IMAGE}",
          "services: {web: {image: 'qaid/server:1" DIGEST "', tty: true}}\n", NULL, false },
        { "services:\n  web:\n    image: qaid/server:$TAG\n", "qaid/server:$TAG",
          "services:\n  web:\n    image: qaid/server:1" DIGEST
          " # upgrade-watchdog T-1: was qaid/server:$TAG\n",
          "other/server:1" DIGEST, false },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        print_message("    %s\n", cases[i].value);
        _cleanup_free_ char *edited = NULL, *back = NULL, *changed = NULL;
        _cleanup_pin_ struct pin pin = { 0 }, pinned = { 0 }, other = { 0 };
        size_t size;
        assert_int_equal(pins_read(cases[i].before, strlen(cases[i].before), "web", &pin, NULL), 0);
        assert_string_equal(pin.image, cases[i].value);
        assert_int_equal(pins_edit(cases[i].before, strlen(cases[i].before), "web", "qaid/server:1" DIGEST,
                                   "T-1", &edited, &size, NULL),
                         0);
        assert_string_equal(edited, cases[i].after);
        assert_int_equal(pins_read(edited, size, "web", &pinned, NULL), 0);
        assert_int_equal(pinned.was != NULL, strstr(cases[i].after, "was") != NULL);
        assert_int_equal(pins_remove(edited, size, "web", cases[i].value, &back, &size, NULL), 0);
        assert_string_equal(back, cases[i].before);
        if (!cases[i].user)
            continue;
        const char *at = strstr(edited, "qaid/server:1" DIGEST);
        changed = xasprintf("%.*s%s%s", (int)(at - edited), edited, cases[i].user,
                            at + strlen("qaid/server:1" DIGEST));
        assert_int_equal(pins_read(changed, strlen(changed), "web", &other, NULL), 0);
        assert_int_equal(other.was != NULL, cases[i].still_ours);
    }
}

/* The scalar that decides may stand elsewhere, and be others' too; it is found, pinned, and comes back. */
static void an_image_that_comes_from_elsewhere_in_the_file_is_pinned_there(void **state) {
    (void)state;
    static const struct {
        const char *before, *pinned; /* the line of the pin */
        const char *sharers;
    } cases[] = {
        { "services:\n  web:\n    image: &i " OLD "\n", "    image: &i " NEW COMMENT "\n", "" },
        { "x: &i " OLD "\nservices:\n  web:\n    image: *i\n", "x: &i " NEW COMMENT "\n", "" },
        { "x-images:\n  server: &i '" OLD
          "'\nservices:\n  web:\n    image: *i\n  job:\n    image: *i\n  other:\n    image: b:1\n",
          "  server: &i '" NEW "'" COMMENT "\n", "job" },
        { "x: &w {image: " OLD "}\nservices:\n  web: *w\n  b: *w\n", "x: &w {image: " NEW "}\n", "b" },
        { "x: &s {web: {image: " OLD "}}\nservices: *s\n", "x: &s {web: {image: " NEW "}}\n", "" },
        { "x: &w\n  image: " OLD "\nservices:\n  web:\n    <<: *w\n    tty: true\n  b:\n    <<: [*w]\n  c:\n "
          "   <<: *w\n    image: c:1\n",
          "  image: " NEW COMMENT "\n", "b" },
        { "x: &a {image: a:1}\ny: &b\n  image: " OLD "\nservices:\n  web:\n    <<: [*b, *a]\n",
          "  image: " NEW COMMENT "\n", "" },
        { "x: &a\n  image: " OLD "\ny: &b\n  <<: *a\nservices:\n  web:\n    <<: *b\n",
          "  image: " NEW COMMENT "\n", "" },
        { "x: &i a:1\ny: &i " OLD "\nservices:\n  web:\n    image: *i\nz: &i b:1\n",
          "y: &i " NEW COMMENT "\n", "" },
        { "x: &s {web: {image: " OLD "}}\nservices:\n  <<: *s\n", "x: &s {web: {image: " NEW "}}\n", "" },
        { "services:\n  web: &w\n    image: " OLD "\n  b:\n    <<: *w\n", "    image: " NEW COMMENT "\n",
          "b" },
        { "services:\n  web:\n    extends: base\n  base:\n    image: " OLD "\n",
          "    image: " NEW COMMENT "\n", "base" },
        { "services:\n  web:\n    extends:\n      service: base\n  base:\n    extends: root\n  root:\n    "
          "image: " OLD "\n",
          "    image: " NEW COMMENT "\n", "base root" },
        { "services:\n  web:\n    image: " OLD "\n  b:\n    extends: web\n", "    image: " NEW COMMENT "\n",
          "b" },
        { "a: &k image\nservices:\n  web:\n    *k : " OLD "\n", "    *k : " NEW COMMENT "\n", "" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *edited = NULL, *back = NULL, *sharers = NULL;
        _cleanup_pin_ struct pin pin = { 0 };
        size_t size;
        if (pins_edit(cases[i].before, strlen(cases[i].before), "web", NEW, "T-1", &edited, &size, &err) < 0)
            fail_msg("%s: %s", cases[i].before, error_text(&err));
        if (!strstr(edited, cases[i].pinned))
            fail_msg("%s\nbecame\n%s", cases[i].before, edited);
        assert_int_equal(pins_read(edited, size, "web", &pin, NULL), 0);
        assert_string_equal(pin.image, NEW);
        sharers = pin.sharers ? strings_join(pin.sharers, " ") : xstrdup("");
        assert_string_equal(sharers, cases[i].sharers);
        /* those that share it see the same, and the second of two edits changes nothing */
        for (char **sharer = pin.sharers; sharer && *sharer; sharer++) {
            _cleanup_pin_ struct pin other = { 0 };
            _cleanup_free_ char *again = NULL;
            assert_int_equal(pins_read(edited, size, *sharer, &other, NULL), 0);
            assert_string_equal(other.image, NEW);
            assert_int_equal(pins_edit(edited, size, *sharer, NEW, "T-1", &again, &size, NULL), 0);
            assert_string_equal(again, edited);
        }
        assert_int_equal(pins_remove(edited, size, "web", OLD, &back, &size, &err), 0);
        assert_string_equal(back, cases[i].before);
    }
}

/* Anchors of anchors: Compose refuses such a file, and nobody waits for it. */
static void a_file_of_merges_that_never_ends_is_given_up(void **state) {
    (void)state;
    _cleanup_buffer_ struct buffer text = { 0 };
    buffer_printf(&text, "a0: &a0 {tty: true}\n");
    for (int i = 1; i < 15; i++) {
        buffer_printf(&text, "a%d: &a%d\n  <<: [", i, i);
        for (int k = 0; k < 50; k++)
            buffer_printf(&text, "%s*a%d", k ? ", " : "", i - 1);
        buffer_printf(&text, "]\n");
    }
    buffer_printf(&text, "services:\n  web:\n    <<: *a14\n");
    _cleanup_error_ struct error err = ERROR_NONE;
    struct pin pin;
    assert_int_equal(pins_read(text.text, text.size, "web", &pin, &err), -ENOENT);
}

static const struct {
    const char *text;
    int number;
    const char *reason;
} refusals[] = {
    { "services:\n  web:\n    image: ${IMAGE:?say which one}\n", ENOTSUP, "variable with other characters" },
    { "services:\n  web:\n    image: 'qaid/server:${TAG:-\"1\"}'\n", ENOTSUP,
      "variable with other characters" },
    { "services:\n  web:\n    extends: {file: base.yaml, service: web}\n", ENOTSUP, "another file" },
    { "services:\n  web:\n    image: &i a:1\n    environment:\n      IMAGE: *i\n", ENOTSUP, "other values" },
    { "services:\n  web:\n    image: &i a:1\n    command: [run, *i]\n", ENOTSUP, "other values" },
    { "x: &e {environment: {IMAGE: &i a:1}}\nservices:\n  web:\n    <<: *e\n    image: *i\n", ENOTSUP,
      "other values" },
    { "services:\n  web:\n    image: *nowhere\n", ENOENT, "names no image" },
    { "services:\n  web: &w\n    <<: *w\n", ENOENT, "names no image" },
    { "services:\n  web:\n    extends: b\n  b:\n    extends: web\n", ENOENT, "names no image" },
    { "services:\n  web:\n    extends: nobody\n", ENOENT, "names no image" },
    { "services:\n  web:\n    image: !!str a:1\n", ENOTSUP, "tag" },
    { "services:\n  web:\n    image: |\n      a:1\n", ENOTSUP, "block" },
    { "services:\n  web:\n    image: >-\n      a:1\n", ENOTSUP, "block" },
    { "services:\n  web:\n    image: \"a\\x3a1\"\n", ENOTSUP, "escapes" },
    { "services:\n  web:\n    image: a b\n", ENOTSUP, "no image reference" },
    { "services:\n  web:\n    image: a:1\n---\nservices: {}\n", ENOTSUP, "document" },
    { "\xFF\xFEs\0e\0", ENOTSUP, "UTF-8" },
    { "services:\n  other:\n    image: a:1\n", ENOENT, "no service \"web\"" },
    { "x-services:\n  web:\n    image: a:1\n", ENOENT, "no service \"web\"" },
    { "services:\n  web:\n    build: .\n", ENOENT, "names no image" },
    { "services:\n  web:\n    image:\n", ENOENT, "names no image" },
    { "services:\n  web:\n", ENOENT, "names no image" },
    { "services:\n", ENOENT, "no service" },
    { "services: [web, image]\n", ENOENT, "no service" },
    { "", ENOENT, "no service" },
    { "just text", ENOENT, "no service" },
    { "services:\n  web:\n    image: [a]\n", EBADMSG, "no text" },
    { "services:\n  web:\n    image: a:1\n    image: a:2\n", EBADMSG, "twice" },
    { "services:\n  web:\n    image: a:1\n  web:\n    image: a:2\n", EBADMSG, "twice" },
    { "services:\n  web:\n    image: a:1\nservices: {}\n", EBADMSG, "twice" },
    { "services:\n  web:\n   image: a:1\n  - b\n", EBADMSG, "line 4" },
    { "services: {web: {image: a:1}\n", EBADMSG, "line 2" },
    { "services:\n  web:\n    image: \"\xC3\x28\"\n", EBADMSG, "UTF-8" },
};

static void what_cannot_be_edited_so_is_refused_with_its_reason(void **state) {
    (void)state;
    for (size_t i = 0; i < ELEMENTS(refusals); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *edited = NULL;
        size_t size, length = strlen(refusals[i].text);
        int r =
            pins_edit(refusals[i].text, length == 3 ? 6 : length, "web", NEW, "T-1", &edited, &size, &err);
        if (r != -refusals[i].number || !strstr(error_text(&err), refusals[i].reason))
            fail_msg("%s gave %d: %s", refusals[i].text, r, error_text(&err));
        assert_null(edited);
    }
}

static void bad_images_and_ids_are_refused(void **state) {
    (void)state;
    const char *text = "services:\n  web:\n    image: a:1\n";
    const char *images[] = { "", "a b", "a#b", "a\nb", "a'b", "[::1]:5000/a", "@a", "a:" };
    const char *ids[] = { "", "a b", "a\n", "a: was" };
    for (size_t i = 0; i < ELEMENTS(images); i++) {
        char *edited = NULL;
        size_t size;
        assert_true(pins_edit(text, strlen(text), "web", images[i], "T-1", &edited, &size, NULL) < 0);
        assert_null(edited);
    }
    for (size_t i = 0; i < ELEMENTS(ids); i++) {
        char *edited = NULL;
        size_t size;
        assert_int_equal(pins_edit(text, strlen(text), "web", "a:2", ids[i], &edited, &size, NULL), -EINVAL);
    }
}

static void what_somebody_wrote_behind_our_comment_stays(void **state) {
    (void)state;
    const char *text =
        "services:\n  web:\n    image: a:1" DIGEST " # upgrade-watchdog T-1: was a:1 (ticket 5)\n";
    _cleanup_free_ char *back = NULL;
    size_t size;
    assert_int_equal(pins_remove(text, strlen(text), "web", NULL, &back, &size, NULL), 0);
    assert_string_equal(back, "services:\n  web:\n    image: a:1 # (ticket 5)\n");
}

/* @ours: a pin that leads back to "a:1" or "a"; else the value is the user's own, and our comment is old. */
static const struct {
    const char *value, *was;
    bool ours;
} values[] = {
    { "a:1" DIGEST, "a:1", true },
    { "docker.io/library/a:1" DIGEST, "a:1", true },
    { "a" DIGEST, "a", true },
    { "a:1" LATER, "a:1" DIGEST, true },
    { "a:upgrade-watchdog-" HEX, "a:1", true },
    { "b:upgrade-watchdog-" HEX, "a:1", false },
    { "a:upgrade-watchdog-1", "a:1", false },
    { "a:2", "a:1", false },
    { "a:1", "a:1", false },
    { "a:2" DIGEST, "a:1", false },
    { "b:1" DIGEST, "a:1", false },
    { "a" DIGEST, "a:1", false },
};

static void a_value_that_somebody_wrote_beside_our_comment_is_his(void **state) {
    (void)state;
    for (size_t i = 0; i < ELEMENTS(values); i++) {
        _cleanup_free_ char *text =
            xasprintf("services:\n  web:\n    image: %s # upgrade-watchdog T-1: was %s\n", values[i].value,
                      values[i].was);
        _cleanup_free_ char *wanted =
            xasprintf("services:\n  web:\n    image: %s\n", values[i].ours ? values[i].was : values[i].value);
        _cleanup_free_ char *back = NULL, *pinned = NULL, *again = NULL;
        _cleanup_pin_ struct pin pin = { 0 };
        size_t size;
        assert_int_equal(pins_read(text, strlen(text), "web", &pin, NULL), 0);
        assert_string_equal(pin.image, values[i].value);
        assert_int_equal(pin.was != NULL, values[i].ours);
        assert_int_equal(pin.transaction != NULL, values[i].ours);
        assert_int_equal(pins_remove(text, strlen(text), "web", NULL, &back, &size, NULL), 0);
        assert_string_equal(back, wanted);
        /* Pinned now, twice as after a crash, it leads back to what is the user's. */
        _cleanup_reference_ struct reference reference = { 0 };
        assert_int_equal(reference_parse(values[i].ours ? values[i].was : values[i].value, &reference, NULL),
                         0);
        _cleanup_free_ char *image = reference_with_digest(&reference, &LATER[1]);
        assert_int_equal(pins_edit(text, strlen(text), "web", image, "T-2", &pinned, &size, NULL), 0);
        assert_int_equal(pins_edit(pinned, size, "web", image, "T-2", &again, &size, NULL), 0);
        assert_string_equal(again, pinned);
        replace_string(back, NULL);
        assert_int_equal(pins_remove(again, size, "web", NULL, &back, &size, NULL), 0);
        assert_string_equal(back, wanted);
    }
}

static void a_text_without_a_pin_is_left_as_it_is(void **state) {
    (void)state;
    const char *text = "services:\n  web:\n    image: a:2 # upgrade-watchdog is used here\n";
    _cleanup_free_ char *back = NULL;
    size_t size;
    assert_int_equal(pins_remove(text, strlen(text), "web", NULL, &back, &size, NULL), 0);
    assert_string_equal(back, text);
}

/* A Compose file made at random, with the image of "web" somewhere in it. */
static char *random_text(unsigned *seed, bool *ret_comment) {
    static const char *const noise[] = { "# Kommentar: äöü €\n",
                                         "\n",
                                         "x-a: \"ü: {\"\n",
                                         "x-b: [1, 'é', {c: d}]\n",
                                         "x-c: |\n  image: no\n  \xF0\x9F\x90\xB3\n",
                                         "\t\n" };
    static const char *const inner[] = { "    tty: true\n", "    labels:\n      image: no\n",
                                         "    # image: no\n", "    command: [\"ä\", \"image: no\"]\n",
                                         "    environment:\n      A: 'ö''s'\n" };
    static const char *const quotes[] = { "", "'", "\"" };
    static const char *const tails[] = { "", " ", "\t ", " # Ärger", "   " };
    struct buffer text = { 0 };
    if (rand_r(seed) % 4 == 0)
        buffer_printf(&text, "\xEF\xBB\xBF");
    for (int i = rand_r(seed) % 5; i > 0; i--) {
        const char *piece = noise[(size_t)rand_r(seed) % (ELEMENTS(noise) - 1)];
        if (!strchr(piece, 'x') || !text.text || !strstr(text.text, piece))
            buffer_printf(&text, "%s", piece);
    }
    buffer_printf(&text, "services:\n  a:\n    image: a:1\n  web:\n");
    size_t first = (size_t)rand_r(seed) % ELEMENTS(inner), second = (size_t)rand_r(seed) % ELEMENTS(inner);
    const char *quote = quotes[(size_t)rand_r(seed) % 3],
               *tail = tails[(size_t)rand_r(seed) % ELEMENTS(tails)];
    *ret_comment = !strchr(tail, '#');
    buffer_printf(&text, "%s    image: %s%s%s%s\n%s", inner[first], quote, OLD, quote, tail,
                  first == second ? "" : inner[second]);
    buffer_printf(&text, "  z: {image: z, x-n: 'ß'}\n");
    if (rand_r(seed) % 2) {
        struct buffer windows = { 0 };
        for (const char *at = text.text; *at; at++)
            buffer_append(&windows, *at == '\n' ? "\r\n" : at, *at == '\n' ? 2 : 1);
        buffer_done(&text);
        text = windows;
    }
    return buffer_take(&text);
}

static void random_files_change_in_one_place_and_come_back(void **state) {
    (void)state;
    for (unsigned round = 0; round < 5000; round++) {
        unsigned seed = round;
        bool comment;
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *text = random_text(&seed, &comment), *edited = NULL, *back = NULL;
        size_t size, back_size;
        if (pins_edit(text, strlen(text), "web", NEW, "T-1", &edited, &size, &err) < 0)
            fail_msg("seed %u: %s\n%s", round, error_text(&err), text);
        const char *place = strstr(edited, NEW);
        size_t before = (size_t)(place - edited);
        assert_memory_equal(text, edited, before);
        assert_memory_equal(text + before, OLD, strlen(OLD));
        const char *rest = text + before + strlen(OLD), *edited_rest = place + strlen(NEW);
        if (comment) {
            const char *ours = strstr(edited_rest, COMMENT);
            assert_non_null(ours);
            assert_true(ours - edited_rest <= 1);
            assert_memory_equal(rest, edited_rest, (size_t)(ours - edited_rest));
            rest += ours - edited_rest;
            edited_rest = ours + strlen(COMMENT);
        }
        assert_string_equal(rest, edited_rest);
        assert_int_equal(pins_remove(edited, size, "web", OLD, &back, &back_size, &err), 0);
        assert_string_equal(back, text);
    }
}

/* Cut and flipped texts are answered with an error or an edit that comes back, never with a crash. */
static void damaged_files_are_never_changed_elsewhere(void **state) {
    (void)state;
    for (unsigned round = 0; round < 5000; round++) {
        unsigned seed = round;
        bool comment;
        _cleanup_free_ char *text = random_text(&seed, &comment), *edited = NULL, *back = NULL;
        size_t length = strlen(text), size, back_size;
        for (int flips = 1 + rand_r(&seed) % 3; flips > 0; flips--)
            text[(size_t)rand_r(&seed) % length] = "\n :{}[]&*'\"#-!|>%@`\xC3\x80"[rand_r(&seed) % 22];
        length -= (size_t)rand_r(&seed) % 2 ? (size_t)rand_r(&seed) % length : 0;
        if (pins_edit(text, length, "web", NEW, "T-1", &edited, &size, NULL) < 0)
            continue;
        _cleanup_pin_ struct pin pin = { 0 };
        assert_int_equal(pins_read(text, length, "web", &pin, NULL), 0);
        assert_int_equal(pins_remove(edited, size, "web", pin.image, &back, &back_size, NULL), 0);
        assert_int_equal(back_size, length);
        assert_memory_equal(back, text, length);
    }
}

static void a_file_keeps_owner_mode_attributes_and_its_link(void **state) {
    (void)state;
    char directory[] = "/tmp/test-pins.XXXXXX";
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(mkdir("real", 0755), 0);
    const char *text = "services:\n  web:\n    image: " OLD "\n";
    assert_int_equal(durable_write(AT_FDCWD, "real/compose.yaml", text, strlen(text), 0640, NULL), 0);
    assert_int_equal(setxattr("real/compose.yaml", "user.note", "kept", 4, 0), 0);
    if (geteuid() == 0)
        assert_int_equal(chown("real/compose.yaml", 1234, 5678), 0);
    assert_int_equal(symlink("real/compose.yaml", "compose.yaml"), 0);
    assert_int_equal(durable_write(AT_FDCWD, "real/.compose.yaml.upgrade-watchdog", "half", 4, 0600, NULL),
                     0);

    assert_int_equal(pins_file_edit("compose.yaml", "web", NEW, "T-1", NULL), 1);
    assert_int_equal(pins_file_edit("compose.yaml", "web", NEW, "T-1", NULL), 0);
    struct stat status;
    assert_int_equal(lstat("compose.yaml", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(stat("compose.yaml", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    if (geteuid() == 0) {
        assert_int_equal(status.st_uid, 1234);
        assert_int_equal(status.st_gid, 5678);
    }
    char value[8];
    assert_int_equal(getxattr("compose.yaml", "user.note", value, sizeof(value)), 4);
    assert_int_equal(access("real/.compose.yaml.upgrade-watchdog", F_OK), -1);
    _cleanup_free_ char *now = NULL;
    assert_int_equal(file_read(AT_FDCWD, "compose.yaml", 4096, &now, NULL, NULL), 0);
    assert_string_equal(now, "services:\n  web:\n    image: " NEW COMMENT "\n");

    assert_int_equal(pins_file_remove("compose.yaml", "web", OLD, NULL), 1);
    replace_string(now, NULL);
    assert_int_equal(file_read(AT_FDCWD, "compose.yaml", 4096, &now, NULL, NULL), 0);
    assert_string_equal(now, text);
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(pins_file_edit("none.yaml", "web", NEW, "T-1", &err), -ENOENT);
    assert_int_equal(pins_file_edit("compose.yaml", "other", NEW, "T-1", &err), -ENOENT);
    assert_non_null(strstr(err.text, "\"compose.yaml\""));
    assert_int_equal(durable_remove_tree(AT_FDCWD, directory, NULL), 0);
}

static void a_local_name_says_the_digest_that_it_stands_for(void **state) {
    (void)state;
    _cleanup_reference_ struct reference reference = { 0 }, again = { 0 };
    assert_int_equal(reference_parse(NEW, &reference, NULL), 0);
    _cleanup_free_ char *name = pin_local_name(&reference, reference.digest);
    assert_string_equal(name, "127.0.0.1:5000/qaid/server:upgrade-watchdog-" HEX);
    assert_int_equal(reference_parse(name, &again, NULL), 0);
    _cleanup_free_ char *digest = pin_local_digest(&again);
    assert_string_equal(digest, &DIGEST[1]);
    assert_null(pin_local_digest(&reference));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_scalar_changes_and_it_comes_back),
        cmocka_unit_test(a_scalar_with_variables_is_pinned_and_comes_back),
        cmocka_unit_test(an_image_that_comes_from_elsewhere_in_the_file_is_pinned_there),
        cmocka_unit_test(a_file_of_merges_that_never_ends_is_given_up),
        cmocka_unit_test(what_cannot_be_edited_so_is_refused_with_its_reason),
        cmocka_unit_test(bad_images_and_ids_are_refused),
        cmocka_unit_test(what_somebody_wrote_behind_our_comment_stays),
        cmocka_unit_test(a_value_that_somebody_wrote_beside_our_comment_is_his),
        cmocka_unit_test(a_local_name_says_the_digest_that_it_stands_for),
        cmocka_unit_test(a_text_without_a_pin_is_left_as_it_is),
        cmocka_unit_test(random_files_change_in_one_place_and_come_back),
        cmocka_unit_test(damaged_files_are_never_changed_elsewhere),
        cmocka_unit_test(a_file_keeps_owner_mode_attributes_and_its_link),
    };
    return RUN(tests);
}
