/* Fields and links of HTML as servers write it. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/html.h"
#include "watchdog/base/clock.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

static void character_references_are_decoded(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "a&amp;b &lt;&gt; &quot;&#39;&#x27;&apos;", "a&b <> \"'''" },
        { "&#43;&#x2B;&#x2b;", "+++" },
        { "&#252;&#x20AC;&#x1F600;", "ü€😀" },
        { "&#0;&#xD800;&#99999999;", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "&amp;amp;", "&amp;" },
        { "&", "&" },
        { "a&b=c &amp", "a&b=c &amp" },
        { "&#;&#x;&#12", "&#;&#x;&#12" },
        { "", "" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *decoded = html_decode(cases[i].text, strlen(cases[i].text));
        assert_string_equal(decoded, cases[i].expected);
    }
}

static void fields_are_found_however_they_are_written(void **state) {
    (void)state;
    static const struct {
        const char *page, *value; /* NULL: none */
    } cases[] = {
        { "<input type=\"hidden\" name=\"csrf\" value=\"abc\">", "abc" },
        { "<input value='a&amp;b&#39;c' NAME='csrf' type=hidden />", "a&b'c" },
        { "<INPUT\n  name=csrf\n  value=abc/+= >", "abc/+=" },
        { "<input data-x=\"a > b\" name=\"csrf\" value=\"abc\">", "abc" },
        { "<meta name=\"csrf\" content=\"abc\">", "abc" },
        { "<textarea name=csrf>\na&lt;b</textarea>", "a<b" },
        { "<button name=csrf value=abc>Go</button>", "abc" },
        { "<!-- <input name=csrf value=old> --><input name=csrf value=abc>", "abc" },
        { "<script>var x = '<input name=csrf value=old>';</script><input name=csrf value=abc>", "abc" },
        { "<p title=it's><input name=csrf value=abc>", "abc" },
        { "<input name=csrf><input name=csrf value=abc>", "abc" },
        { "<input name=csrf value=\"\">", "" },
        { "<input data-name=csrf value=abc>", NULL },
        { "<input name=csrf2 value=abc>", NULL },
        { "<a name=csrf value=abc>", NULL },
        { "<input name=\"csrf\" value=\"abc", NULL },
        { "\xff\xfe<input name=csrf value=abc>", "abc" },
        { "", NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *value = NULL;
        int r = html_field(cases[i].page, strlen(cases[i].page), "csrf", &value, NULL);
        if (r != (cases[i].value != NULL) || !string_equal(value, cases[i].value))
            fail_msg("%s: %d %s", cases[i].page, r, value ? value : "");
    }
}

static void links_are_what_a_browser_loads(void **state) {
    (void)state;
    static const char page[] =
        "<html><head><base href=\"/app/\"><link rel=\"stylesheet\" href=\"a.css\">"
        "<link href='b.css' rel='preload stylesheet'><link rel=alternate href=feed.xml>"
        "<link rel=\"alternate stylesheet\" href=dark.css><link rel=canonical href=/x>"
        "<link rel=\"shortcut icon\" href=/favicon.ico><link rel=modulepreload href=/m.js>"
        "<link rel=preload as=font href=f.woff2><script type=module "
        "src=\"/assets/index-1a2b.js?x=1&amp;y=2\"></script>"
        "<script>document.write('<img src=\"/no.png\">')</script></head><body><!-- <img src=no.png> -->"
        "<img src=\"1.png\" alt=\"a > b\"><img alt=x src='1.png'><IMG SRC=2.png><img data-src=3.png>"
        "<img src=\" /4.png \"></body>";
    _cleanup_json_ json_t *links = NULL;
    _cleanup_free_ char *base = NULL;
    assert_int_equal(html_links(page, strlen(page), &links, &base, NULL), 0);
    assert_string_equal(base, "/app/");
    static const char *const expected[][2] = {
        { "a.css", "stylesheet" },
        { "b.css", "stylesheet" },
        { "/favicon.ico", "image" },
        { "/m.js", "script" },
        { "/assets/index-1a2b.js?x=1&y=2", "script" },
        { "1.png", "image" },
        { "2.png", "image" },
        { "/4.png", "image" },
    };
    _cleanup_free_ char *text = json_text(links);
    if (json_array_size(links) != ELEMENTS(expected))
        fail_msg("%s", text);
    for (size_t i = 0; i < ELEMENTS(expected); i++) {
        const json_t *link = json_array_get(links, i);
        if (!string_equal(json_get_string(link, "url", ""), expected[i][0]) ||
            !string_equal(json_get_string(link, "kind", ""), expected[i][1]))
            fail_msg("%zu: %s", i, text);
    }
}

static void pages_made_to_be_slow_are_not(void **state) {
    (void)state;
    static const char *const pieces[] = { "<",    "<a ",      "<a b=\"", "<a b='\" ",
                                          "<!--", "<script>", "=",       "\"<input name=" };
    for (size_t i = 0; i < ELEMENTS(pieces); i++) {
        struct buffer page = { 0 };
        while (page.size < 300000)
            buffer_append(&page, pieces[i], strlen(pieces[i]));
        _cleanup_free_ char *text = buffer_take(&page), *value = NULL;
        usec_t begun = clock_boottime();
        html_field(text, strlen(text), "csrf", &value, NULL);
        if (clock_boottime() - begun > 5 * USEC_PER_SEC)
            fail_msg("\"%s\" takes %llu ms", pieces[i],
                     (unsigned long long)((clock_boottime() - begun) / USEC_PER_MSEC));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(character_references_are_decoded),
        cmocka_unit_test(fields_are_found_however_they_are_written),
        cmocka_unit_test(links_are_what_a_browser_loads),
        cmocka_unit_test(pages_made_to_be_slow_are_not),
    };
    return RUN(tests);
}
