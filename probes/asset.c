/* What links lead to. See asset.h. */

#include "probes/asset.h"

#include <string.h>
#include <strings.h>

#include "watchdog/base/memory.h"

#define SVG_BEGINS_WITHIN 4096

const char *asset_kind_name(enum asset_kind kind) {
    static const char *const names[] = { "image", "script", "stylesheet", "file" };
    return names[kind];
}

enum asset_kind asset_kind_of(const char *url) {
    static const struct {
        const char *ending;
        enum asset_kind kind;
    } endings[] = {
        { ".js", ASSET_SCRIPT },  { ".mjs", ASSET_SCRIPT },  { ".css", ASSET_STYLESHEET },
        { ".pdf", ASSET_OTHER },  { ".mp4", ASSET_OTHER },   { ".webm", ASSET_OTHER },
        { ".woff", ASSET_OTHER }, { ".woff2", ASSET_OTHER }, { ".ttf", ASSET_OTHER },
        { ".zip", ASSET_OTHER },  { ".gz", ASSET_OTHER },    { ".json", ASSET_OTHER },
        { ".txt", ASSET_OTHER },  { ".csv", ASSET_OTHER },   { ".xml", ASSET_OTHER },
        { ".wasm", ASSET_OTHER }, { ".har", ASSET_OTHER },   { ".webmanifest", ASSET_OTHER },
    };
    size_t size = strcspn(url, "?#");
    for (size_t i = 0; i < ELEMENTS(endings); i++) {
        size_t length = strlen(endings[i].ending);
        if (size > length && strncasecmp(url + size - length, endings[i].ending, length) == 0)
            return endings[i].kind;
    }
    return ASSET_IMAGE;
}

static bool is_type(const char *type, const char *wanted) {
    size_t size = strlen(wanted);
    return strncasecmp(type, wanted, size) == 0 &&
           (string_ends_with(wanted, "/") || type[size] == '\0' || strchr("; \t", type[size]));
}

static bool is_one_of(const char *type, const char *const *list) {
    for (; *list; list++)
        if (is_type(type, *list))
            return true;
    return false;
}

/* RFC 9239, and what stood for it before */
static const char *const script_types[] = { "text/javascript",
                                            "application/javascript",
                                            "application/x-javascript",
                                            "text/ecmascript",
                                            "application/ecmascript",

                                            NULL };
static const char *const style_types[] = { "text/css", NULL };
static const char *const image_types[] = { "image/", NULL };
/* That a server does not know what it serves keeps no browser from showing an image. */
static const char *const empty_types[] = { "application/octet-stream", "binary/octet-stream", NULL };
static const char *const page_types[] = { "text/html", "application/xhtml+xml", NULL };

static unsigned long big_endian(const unsigned char *data) {
    return (unsigned long)data[0] << 24 | (unsigned long)data[1] << 16 | (unsigned long)data[2] << 8 |
           data[3];
}

/* PNG (ISO 15948), section 5.3: chunks of length, type, data and checksum, to the one called IEND. */
static bool is_whole_png(const unsigned char *data, size_t size) {
    for (size_t at = 8; at + 12 <= size;) {
        size_t length = big_endian(data + at);
        if (memcmp(data + at + 4, "IEND", 4) == 0)
            return true;
        if (length > size - at - 12)
            return false;
        at += length + 12;
    }
    return false;
}

/* RFC 9649, section 2.4: the size of what follows the first eight bytes */
static bool is_whole_webp(const unsigned char *data, size_t size) {
    return size >= 12 &&
           (size_t)(data[4] | data[5] << 8 | data[6] << 16) + ((size_t)data[7] << 24) + 8 <= size;
}

/* Something behind the end marker does no harm; no marker at all is a file that was cut. */
static bool is_whole_jpeg(const unsigned char *data, size_t size) {
    return memmem(data, size, "\xFF\xD9", 2) != NULL;
}

static bool is_whole_gif(const unsigned char *data, size_t size) {
    return size > 13 && memrchr(data, 0x3B, size) != NULL;
}

static bool is_whole_svg(const unsigned char *data, size_t size) {
    return memmem(data, size, "</svg", 5) || memmem(data, size, "/>", 2);
}

static char *oddity_of_image(const char *type, const char *data, size_t size) {
    static const struct {
        const char *type, *signature;
        size_t offset, length;
        bool (*is_whole)(const unsigned char *data, size_t size);
    } formats[] = {
        { "image/png", "\x89PNG\r\n\x1a\n", 0, 8, is_whole_png },
        { "image/jpeg", "\xFF\xD8\xFF", 0, 3, is_whole_jpeg },
        { "image/jpg", "\xFF\xD8\xFF", 0, 3, is_whole_jpeg },
        { "image/gif", "GIF8", 0, 4, is_whole_gif },
        { "image/webp", "WEBP", 8, 4, is_whole_webp },
    };
    const unsigned char *bytes = (const unsigned char *)data;
    if (is_type(type, "image/svg+xml")) {
        if (!memmem(data, size < SVG_BEGINS_WITHIN ? size : SVG_BEGINS_WITHIN, "<svg", 4))
            return xstrdup("is no image/svg+xml, as its type says");
        return is_whole_svg(bytes, size) ? NULL : xstrdup("is cut off");
    }
    for (size_t i = 0; i < ELEMENTS(formats); i++) {
        if (!is_type(type, formats[i].type))
            continue;
        if (size < formats[i].offset + formats[i].length ||
            memcmp(data + formats[i].offset, formats[i].signature, formats[i].length) != 0)
            return xasprintf("is no %s, as its type says", formats[i].type);
        return formats[i].is_whole(bytes, size) ? NULL : xstrdup("is cut off");
    }
    return NULL;
}

char *asset_complaint(enum asset_kind kind, const char *type, const char *data, size_t size, char **ret_odd) {
    static const char *const *const wanted[] = { image_types, script_types, style_types };
    if (size == 0)
        return xstrdup("with nothing in it");
    if (is_one_of(type, page_types))
        return xasprintf("of the type \"%.60s\", wanted %s %s", type, kind == ASSET_IMAGE ? "an" : "a",
                         asset_kind_name(kind));
    if (kind == ASSET_OTHER)
        return NULL;
    if (!*type || is_one_of(type, empty_types)) {
        /* a browser takes a script or style sheet by its type alone */
        *ret_odd = xasprintf("is of the type \"%.60s\", which is no %s's", type, asset_kind_name(kind));
        return NULL;
    }
    if (!is_one_of(type, wanted[kind]))
        return xasprintf("of the type \"%.60s\", wanted %s %s", type, kind == ASSET_IMAGE ? "an" : "a",
                         asset_kind_name(kind));
    if (kind == ASSET_IMAGE)
        *ret_odd = oddity_of_image(type, data, size);
    return NULL;
}
