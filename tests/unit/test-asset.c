/* What links lead to: types, signatures, lengths. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/asset.h"
#include "watchdog/base/memory.h"

#define PNG "\x89PNG\r\n\x1a\n\0\0\0\4DATAabcdCRC!\0\0\0\0IENDCRC!"
#define CUT_PNG "\x89PNG\r\n\x1a\n\0\0\0\4DATAab"
#define JPEG "\xFF\xD8\xFF\xE0 some picture \xFF\xD9"
#define GIF "GIF89a 0123456789 \x3B"
#define WEBP "RIFF\x0A\0\0\0WEBPVP8 xx"
#define CUT_WEBP "RIFF\xF0\0\0\0WEBPVP8 xx"

static void contents_are_judged_by_kind(void **state) {
    (void)state;
#define BYTES(text) text, sizeof(text) - 1
    static const struct {
        enum asset_kind kind;
        const char *type, *data;
        size_t size;
        const char *complaint, *odd; /* a part of it; NULL: none */
    } cases[] = {
        { ASSET_IMAGE, "image/png", BYTES(PNG), NULL, NULL },
        { ASSET_IMAGE, "image/png", BYTES(CUT_PNG), NULL, "is cut off" },
        { ASSET_IMAGE, "image/png", BYTES(JPEG), NULL, "is no image/png" },
        { ASSET_IMAGE, "image/png", BYTES("Not found"), NULL, "is no image/png" },
        { ASSET_IMAGE, "image/jpeg", BYTES(JPEG), NULL, NULL },
        { ASSET_IMAGE, "image/jpeg; q=1", BYTES("\xFF\xD8\xFF\xE0 some"), NULL, "is cut off" },
        { ASSET_IMAGE, "image/gif", BYTES(GIF), NULL, NULL },
        { ASSET_IMAGE, "image/gif", BYTES("GIF89a"), NULL, "is cut off" },
        { ASSET_IMAGE, "image/webp", BYTES(WEBP), NULL, NULL },
        { ASSET_IMAGE, "image/webp", BYTES(CUT_WEBP), NULL, "is cut off" },
        { ASSET_IMAGE, "image/svg+xml", BYTES("<?xml?><svg><a/></svg>"), NULL, NULL },
        { ASSET_IMAGE, "image/svg+xml", BYTES("<?xml?><svg><a"), NULL, "is cut off" },
        { ASSET_IMAGE, "image/svg+xml", BYTES("{\"error\": 1}"), NULL, "is no image/svg+xml" },
        { ASSET_IMAGE, "image/avif", BYTES("anything"), NULL, NULL },
        { ASSET_IMAGE, "image/png", BYTES(""), "with nothing in it", NULL },
        { ASSET_IMAGE, "text/html; charset=utf-8", BYTES("<html>"), "wanted an image", NULL },
        { ASSET_IMAGE, "application/json", BYTES("{}"), "wanted an image", NULL },
        { ASSET_IMAGE, "application/octet-stream", BYTES(PNG), NULL, "which is no image's" },
        { ASSET_IMAGE, "", BYTES(PNG), NULL, "which is no image's" },
        { ASSET_SCRIPT, "text/javascript; charset=utf-8", BYTES("x"), NULL, NULL },
        { ASSET_SCRIPT, "application/javascript", BYTES("x"), NULL, NULL },
        { ASSET_SCRIPT, "text/html", BYTES("<html>"), "wanted a script", NULL },
        { ASSET_SCRIPT, "text/plain", BYTES("x"), "wanted a script", NULL },
        { ASSET_STYLESHEET, "text/css", BYTES("x"), NULL, NULL },
        { ASSET_STYLESHEET, "text/javascript", BYTES("x"), "wanted a stylesheet", NULL },
        { ASSET_OTHER, "font/woff2", BYTES("x"), NULL, NULL },
        { ASSET_OTHER, "text/html", BYTES("x"), "wanted a file", NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char *odd = NULL;
        _cleanup_free_ char *complaint =
            asset_complaint(cases[i].kind, cases[i].type, cases[i].data, cases[i].size, &odd);
        bool good = cases[i].complaint ? complaint && strstr(complaint, cases[i].complaint) : !complaint;
        good = good && (cases[i].odd ? odd && strstr(odd, cases[i].odd) : !odd);
        if (!good)
            fail_msg("%zu: %s, %s", i, complaint ? complaint : "no complaint", odd ? odd : "nothing odd");
        free(odd);
    }
}

static void kinds_are_told_by_endings(void **state) {
    (void)state;
    static const struct {
        const char *url;
        enum asset_kind kind;
    } cases[] = {
        { "http://x/a.js", ASSET_SCRIPT },        { "http://x/a.JS?v=1", ASSET_SCRIPT },
        { "http://x/a.css#x", ASSET_STYLESHEET }, { "http://x/a.pdf", ASSET_OTHER },
        { "http://x/a.png", ASSET_IMAGE },        { "http://x/screenshots/17", ASSET_IMAGE },
        { "http://x/a?file=b.js", ASSET_IMAGE },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        assert_int_equal(asset_kind_of(cases[i].url), cases[i].kind);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_are_judged_by_kind),
        cmocka_unit_test(kinds_are_told_by_endings),
    };
    return RUN(tests);
}
