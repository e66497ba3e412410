/* HTML. See html.h. */

#include "probes/html.h"

#include <ctype.h>
#include <stdbool.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "probes/pattern.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define LINKS_LIMIT 1000
#define ENTITY_LONGEST 10

/* A comment, or a tag's name and its attributes: a quote means something behind "=" alone. Possessive:
 * nothing to come back to. */
static const char tag_pattern[] = "(?is)<!--.*?(?:-->|\\z)|<([a-z][a-z0-9-]*+)"
                                  "((?:[^<>=]++|=\\s*+(?:\"[^\"]*+\"|'[^']*+'|[^<>\\s]*+))*+)>";
/* Name, and value in double, single or no quotes. */
static const char attribute_pattern[] =
    "(?is)([^\\s\"'<>/=]++)(?:\\s*+=\\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\\s\"'>]++)))?+";

static size_t encode(unsigned long code, char text[4]) {
    /* the standard replaces what is no character */
    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        code = 0xFFFD;
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3F));
    text[0] = (char)(lead[size] | code);
    return size;
}

/* The reference at @text, which begins with '&'. Returns its length, 0: it is none. */
static size_t decode_one(const char *text, size_t size, struct buffer *decoded) {
    static const struct {
        const char *name, *text;
    } names[] = {
        { "amp;", "&" },    { "lt;", "<" },          { "gt;", ">" },     { "quot;", "\"" },
        { "apos;", "'" },   { "nbsp;", "\xC2\xA0" }, { "equals;", "=" }, { "plus;", "+" },
        { "sol;", "/" },    { "colon;", ":" },       { "comma;", "," },  { "lowbar;", "_" },
        { "period;", "." }, { "num;", "#" },         { "Tab;", "\t" },   { "NewLine;", "\n" },
    };
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        size_t length = strlen(names[i].name);
        if (size > length && strncmp(text + 1, names[i].name, length) == 0) {
            buffer_append(decoded, names[i].text, strlen(names[i].text));
            return length + 1;
        }
    }
    if (size < 4 || text[1] != '#')
        return 0;
    bool hexadecimal = text[2] == 'x' || text[2] == 'X';
    char digits[ENTITY_LONGEST + 1] = "";
    size_t begin = hexadecimal ? 3 : 2, count = 0;
    while (begin + count < size && count < ENTITY_LONGEST &&
           (hexadecimal ? isxdigit((unsigned char)text[begin + count])
                        : isdigit((unsigned char)text[begin + count])))
        count++;
    if (count == 0 || begin + count >= size || text[begin + count] != ';')
        return 0;
    memcpy(digits, text + begin, count);
    char character[4];
    buffer_append(decoded, character, encode(strtoul(digits, NULL, hexadecimal ? 16 : 10), character));
    return begin + count + 1;
}

char *html_decode(const char *text, size_t size) {
    struct buffer decoded = { 0 };
    for (size_t i = 0; i < size;) {
        size_t length = text[i] == '&' ? decode_one(text + i, size - i, &decoded) : 0;
        if (length == 0)
            buffer_append(&decoded, text + i, 1);
        i += length ? length : 1;
    }
    return buffer_take(&decoded);
}

/* A walk over a page's tags. */
struct scan {
    const char *text;
    size_t size, at;
    struct pattern *tag, *attribute;
    const char *name, *attributes; /* of the current tag; not NUL-ended */
    size_t name_size, attributes_size;
};

static void scan_done(struct scan *scan) {
    pattern_free(scan->tag);
    pattern_free(scan->attribute);
}
#define _cleanup_scan_ __attribute__((cleanup(scan_done)))

static int scan_begin(struct scan *scan, const char *text, size_t size, struct error *err) {
    *scan = (struct scan){ .text = text, .size = size };
    int r = pattern_new(tag_pattern, &scan->tag, err);
    return r < 0 ? r : pattern_new(attribute_pattern, &scan->attribute, err);
}

static bool is_tag(const struct scan *scan, const char *name) {
    return scan->name_size == strlen(name) && strncasecmp(scan->name, name, scan->name_size) == 0;
}

/* Their text is not markup. */
static void step_over_text(struct scan *scan) {
    const char *end = is_tag(scan, "script") ? "</script" : is_tag(scan, "style") ? "</style" : NULL;
    if (!end)
        return;
    size_t length = strlen(end);
    while (scan->at + length <= scan->size && strncasecmp(scan->text + scan->at, end, length) != 0)
        scan->at++;
}

/* The next tag. Returns 1, 0 at the end, -ELOOP. */
static int scan_next(struct scan *scan, struct error *err) {
    for (;;) {
        struct pattern_range ranges[3];
        int r = pattern_find(scan->tag, scan->text, scan->size, scan->at, ranges, ELEMENTS(ranges), err);
        if (r <= 0)
            return r;
        scan->at = ranges[0].begin + ranges[0].size;
        if (!ranges[1].is_set)
            continue;
        scan->name = scan->text + ranges[1].begin;
        scan->name_size = ranges[1].size;
        scan->attributes = scan->text + ranges[2].begin;
        scan->attributes_size = ranges[2].size;
        step_over_text(scan);
        return 1;
    }
}

/* The attribute's value, decoded and owned by the caller; NULL: the tag has none. The first one counts, as in
 * browsers. */
static char *scan_attribute(const struct scan *scan, const char *name) {
    size_t at = 0;
    struct pattern_range ranges[5];
    while (pattern_find(scan->attribute, scan->attributes, scan->attributes_size, at, ranges,
                        ELEMENTS(ranges), NULL) > 0) {
        at = ranges[0].begin + ranges[0].size;
        if (ranges[1].size != strlen(name) ||
            strncasecmp(scan->attributes + ranges[1].begin, name, ranges[1].size) != 0)
            continue;
        for (size_t i = 2; i < ELEMENTS(ranges); i++)
            if (ranges[i].is_set)
                return html_decode(scan->attributes + ranges[i].begin, ranges[i].size);
        return xstrdup("");
    }
    return NULL;
}

static char *textarea(const struct scan *scan) {
    const char *begin = scan->text + scan->at, *end = memmem(begin, scan->size - scan->at, "</", 2);
    size_t size = end ? (size_t)(end - begin) : scan->size - scan->at, line = size > 0 && *begin == '\n';
    return html_decode(begin + line, size - line);
}

int html_field(const char *text, size_t size, const char *name, char **ret, struct error *err) {
    static const char *const tags[] = { "input", "button", "meta", "textarea" };
    _cleanup_scan_ struct scan scan = { 0 };
    int r = scan_begin(&scan, text, size, err);
    while (r >= 0 && (r = scan_next(&scan, err)) > 0) {
        bool wanted = false;
        for (size_t i = 0; i < ELEMENTS(tags); i++)
            wanted = wanted || is_tag(&scan, tags[i]);
        _cleanup_free_ char *its_name = wanted ? scan_attribute(&scan, "name") : NULL;
        if (!string_equal(its_name, name))
            continue;
        char *value = is_tag(&scan, "textarea")
                          ? textarea(&scan)
                          : scan_attribute(&scan, is_tag(&scan, "meta") ? "content" : "value");
        if (!value)
            continue;
        *ret = value;
        return 1;
    }
    return r;
}

static bool has_word(const char *words, const char *word) {
    size_t length = strlen(word);
    for (const char *at = words; at && *at; at += strcspn(at, " \t\r\n\f")) {
        at += strspn(at, " \t\r\n\f");
        if (strcspn(at, " \t\r\n\f") == length && strncasecmp(at, word, length) == 0)
            return true;
    }
    return false;
}

static const char *kind_of_link(const struct scan *scan) {
    _cleanup_free_ char *rel = scan_attribute(scan, "rel"), *as = scan_attribute(scan, "as");
    if (!rel || has_word(rel, "alternate"))
        return NULL;
    if (has_word(rel, "stylesheet"))
        return "stylesheet";
    if (has_word(rel, "modulepreload"))
        return "script";
    if (has_word(rel, "icon"))
        return "image";
    if (has_word(rel, "preload") && as)
        return string_equal(as, "style")    ? "stylesheet"
               : string_equal(as, "script") ? "script"
               : string_equal(as, "image")  ? "image"
                                            : NULL;
    return NULL;
}

static void add_link(json_t *links, const char *url, const char *kind) {
    size_t i;
    const json_t *link;
    const char *begin = url ? url + strspn(url, " \t\r\n\f") : "";
    _cleanup_free_ char *trimmed = xstrndup(begin, strcspn(begin, " \t\r\n\f"));
    json_array_foreach(links, i, link) if (string_equal(json_get_string(link, "url", ""), trimmed)) return;
    if (*trimmed && json_array_size(links) < LINKS_LIMIT)
        json_array_append_new(links, json_pack("{s:o, s:s}", "url", json_text_string(trimmed), "kind", kind));
}

int html_links(const char *text, size_t size, json_t **ret, char **ret_base, struct error *err) {
    _cleanup_scan_ struct scan scan = { 0 };
    _cleanup_json_ json_t *links = json_array();
    _cleanup_free_ char *base = NULL;
    int r = scan_begin(&scan, text, size, err);
    while (r >= 0 && (r = scan_next(&scan, err)) > 0) {
        bool is_link = is_tag(&scan, "link"), is_script = is_tag(&scan, "script"),
             is_image = is_tag(&scan, "img");
        const char *kind = is_link ? kind_of_link(&scan) : is_script ? "script" : is_image ? "image" : NULL;
        _cleanup_free_ char *url = kind || is_tag(&scan, "base")
                                       ? scan_attribute(&scan, is_script || is_image ? "src" : "href")
                                       : NULL;
        if (kind)
            add_link(links, url, kind);
        else if (url && !base)
            base = take_ptr(url);
    }
    if (r < 0)
        return r;
    *ret = take_ptr(links);
    *ret_base = base ? take_ptr(base) : xstrdup("");
    return 0;
}
