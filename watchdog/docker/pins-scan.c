/*
 * Finding one scalar in a Compose file. See pins-scan.h.
 *
 * libyaml's events are walked, not its documents: only events keep anchors, aliases and styles as they were
 * written. Its marks count characters, and a byte order mark at the beginning counts as none.
 */

#include "watchdog/docker/pins-scan.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "watchdog/base/memory.h"

#define TEXT_LIMIT ((size_t)1024 * 1024)
#define DEPTH_LIMIT 256

/* A mapping or sequence that the walk is in. */
struct level {
    bool mapping, at_value;
    char *key; /* of the value that comes next; NULL: a key that is no scalar */
};

/* What is known of the service that the walk is in. */
struct service_facts {
    bool image, merge, extends, extends_ours, extends_file;
};

struct scan {
    const char *text, *service;
    struct level levels[DEPTH_LIMIT];
    size_t depth;
    unsigned documents;
    bool services, found, merged; /* `services` is there; the service; services come by a merge key */
    bool inherited;               /* another service takes its image from ours */
    struct service_facts facts, ours;
    char **anchors, **aliases; /* anchors of the mappings round our scalar; every alias */
    const char *refusal;       /* why it cannot be edited in place */
    bool has_image;
    struct image_scalar image;
};

void image_scalar_done(struct image_scalar *scalar) {
    replace_string(scalar->value, NULL);
}

static void scan_done(struct scan *scan) {
    while (scan->depth > 0)
        free(scan->levels[--scan->depth].key);
    strings_free(scan->anchors);
    strings_free(scan->aliases);
    image_scalar_done(&scan->image);
}

bool image_is_reference(const char *image) {
    size_t size = strlen(image);
    return size > 0 && size <= 1024 &&
           strspn(image, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@[]") == size;
}

static size_t byte_offset(const char *text, size_t size, size_t characters) {
    size_t at = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (; characters > 0 && at < size; characters--)
        do
            at++;
        while (at < size && ((unsigned char)text[at] & 0xC0) == 0x80);
    return at;
}

static int parser_begin(yaml_parser_t *parser, const char *text, size_t size) {
    if (!yaml_parser_initialize(parser))
        abort();
    yaml_parser_set_input_string(parser, (const unsigned char *)text, size);
    return 0;
}

static int parser_next(yaml_parser_t *parser, yaml_event_t *event, struct error *err) {
    if (yaml_parser_parse(parser, event))
        return 0;
    if (parser->error == YAML_MEMORY_ERROR)
        abort();
    return error_set(err, EBADMSG, "not YAML: line %zu, column %zu: %s", parser->problem_mark.line + 1,
                     parser->problem_mark.column + 1, parser->problem ? parser->problem : "not UTF-8");
}

static const char *key_at(const struct scan *scan, size_t level) {
    return scan->depth > level && scan->levels[level].mapping ? scan->levels[level].key : NULL;
}

/* Whether the walk stands in the mapping of services (1), in that of some service (2), or below. */
static bool in_services(const struct scan *scan) {
    return string_equal(key_at(scan, 0), "services") && scan->levels[0].at_value;
}

static bool in_our_service(const struct scan *scan) {
    return in_services(scan) && string_equal(key_at(scan, 1), scan->service);
}

static void take_image(struct scan *scan, size_t size, const yaml_event_t *event) {
    const char *value = (const char *)event->data.scalar.value;
    const char *spelled_null[] = { "", "~", "null", "Null", "NULL" };
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    for (size_t i = 0; plain && !event->data.scalar.tag && i < ELEMENTS(spelled_null); i++)
        if (string_equal(value, spelled_null[i]))
            return;
    scan->facts.image = true;
    if (!in_our_service(scan))
        return;
    scan->has_image = true;
    scan->image = (struct image_scalar){
        .value = xstrdup(value),
        .style = plain                                                         ? IMAGE_PLAIN
                 : event->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ? IMAGE_SINGLE_QUOTED
                                                                               : IMAGE_DOUBLE_QUOTED,
        .start = byte_offset(scan->text, size, event->start_mark.index),
        .end = byte_offset(scan->text, size, event->end_mark.index),
    };
    size_t quote = plain ? 0 : 1, length = strlen(value);
    const char *raw = scan->text + scan->image.start;
    if (event->data.scalar.anchor)
        scan->refusal = "it has an anchor, so other values may be made from it";
    else if (event->data.scalar.tag)
        scan->refusal = "it has a tag";
    else if (event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
             event->data.scalar.style == YAML_FOLDED_SCALAR_STYLE)
        scan->refusal = "it is a block scalar";
    else if (strchr(value, '$'))
        scan->refusal = "it is made from a variable";
    else if (length != event->data.scalar.length || !image_is_reference(value))
        scan->refusal = "it is no image reference";
    else if (scan->image.end - scan->image.start != length + 2 * quote ||
             memcmp(raw + quote, value, length) != 0)
        scan->refusal = "it is spelled with escapes or over several lines";
}

/* A scalar in the place of a value. */
static void take_value(struct scan *scan, size_t size, const yaml_event_t *event) {
    const char *value = (const char *)event->data.scalar.value;
    if (scan->depth == 3 && in_services(scan)) {
        const char *key = key_at(scan, 2);
        if (string_equal(key, "image"))
            take_image(scan, size, event);
        else if (string_equal(key, "extends"))
            scan->facts.extends_ours = string_equal(value, scan->service);
    } else if (scan->depth == 4 && in_services(scan) && string_equal(key_at(scan, 2), "extends")) {
        if (string_equal(key_at(scan, 3), "service"))
            scan->facts.extends_ours = string_equal(value, scan->service);
        else if (string_equal(key_at(scan, 3), "file"))
            scan->facts.extends_file = true;
    }
}

static int take_key(struct scan *scan, const char *key, struct error *err) {
    replace_string(scan->levels[scan->depth - 1].key, xstrdup(key));
    bool merge = string_equal(key, "<<");
    if (scan->depth == 1) {
        scan->merged = scan->merged || merge;
        if (string_equal(key, "services") && scan->services)
            return error_set(err, EBADMSG, "\"services\" stands twice");
        scan->services = scan->services || string_equal(key, "services");
    } else if (scan->depth == 2 && in_services(scan)) {
        scan->merged = scan->merged || merge;
        scan->facts = (struct service_facts){ 0 };
        if (string_equal(key, scan->service) && scan->found)
            return error_set(err, EBADMSG, "the service \"%s\" stands twice", key);
        scan->found = scan->found || string_equal(key, scan->service);
    } else if (scan->depth == 3 && in_services(scan)) {
        scan->facts.merge = scan->facts.merge || merge;
        scan->facts.extends = scan->facts.extends || string_equal(key, "extends");
        if (string_equal(key, "image") && in_our_service(scan) && scan->has_image)
            return error_set(err, EBADMSG, "\"image\" of the service \"%s\" stands twice", scan->service);
    }
    return 0;
}

/* A value has ended: in a mapping a key comes next. */
static void value_ended(struct scan *scan) {
    if (scan->depth > 0)
        scan->levels[scan->depth - 1].at_value = false;
}

static void service_ended(struct scan *scan) {
    if (in_our_service(scan))
        scan->ours = scan->facts;
    else if (scan->facts.extends_ours && !scan->facts.extends_file && !scan->facts.image)
        scan->inherited = true;
}

static int open_level(struct scan *scan, bool mapping, const unsigned char *anchor, struct error *err) {
    if (scan->depth == DEPTH_LIMIT)
        return error_set(err, EBADMSG, "nested deeper than %d levels", DEPTH_LIMIT);
    bool is_key =
        scan->depth > 0 && scan->levels[scan->depth - 1].mapping && !scan->levels[scan->depth - 1].at_value;
    if (is_key) {
        replace_string(scan->levels[scan->depth - 1].key, NULL);
    } else if (anchor && (scan->depth == 0 || (scan->depth == 1 && in_services(scan)) ||
                          (scan->depth == 2 && in_our_service(scan)))) {
        strings_append(&scan->anchors, (const char *)anchor);
    }
    if (!is_key && scan->depth == 3 && string_equal(key_at(scan, 2), "image") && in_our_service(scan))
        return error_set(err, EBADMSG, "\"image\" of the service \"%s\" is no text", scan->service);
    scan->levels[scan->depth++] = (struct level){ .mapping = mapping };
    return 0;
}

static void close_level(struct scan *scan) {
    scan->depth--;
    replace_string(scan->levels[scan->depth].key, NULL);
    if (scan->depth == 0)
        return;
    struct level *outer = &scan->levels[scan->depth - 1];
    if (scan->depth == 2 && outer->at_value && in_services(scan))
        service_ended(scan);
    /* A mapping as key: what follows is its value. */
    outer->at_value = outer->mapping && !outer->at_value;
}

static void take_alias(struct scan *scan, const char *anchor) {
    strings_append(&scan->aliases, anchor);
    struct level *top = scan->depth > 0 ? &scan->levels[scan->depth - 1] : NULL;
    if (top && top->mapping && !top->at_value) {
        replace_string(top->key, NULL);
        if (scan->depth <= 3)
            scan->refusal = "a key beside it is an alias";
        top->at_value = true;
        return;
    }
    if (scan->depth == 1 && in_services(scan))
        scan->refusal = "\"services\" is an alias";
    else if (scan->depth == 2 && in_our_service(scan))
        scan->refusal = "the service is an alias";
    else if (scan->depth == 3 && in_our_service(scan) && string_equal(key_at(scan, 2), "image"))
        scan->refusal = "it is an alias";
    if (scan->depth == 3 && in_services(scan) && string_equal(key_at(scan, 2), "image"))
        scan->facts.image = true;
    value_ended(scan);
}

static int take_scalar(struct scan *scan, size_t size, const yaml_event_t *event, struct error *err) {
    if (scan->depth == 0)
        return 0;
    struct level *top = &scan->levels[scan->depth - 1];
    if (top->mapping && !top->at_value) {
        top->at_value = true;
        return take_key(scan, (const char *)event->data.scalar.value, err);
    }
    take_value(scan, size, event);
    value_ended(scan);
    return 0;
}

static int take_event(struct scan *scan, size_t size, const yaml_event_t *event, struct error *err) {
    switch (event->type) {
    case YAML_STREAM_START_EVENT:
        if (event->data.stream_start.encoding != YAML_UTF8_ENCODING)
            return error_set(err, ENOTSUP, "the file is not in UTF-8");
        return 0;
    case YAML_DOCUMENT_START_EVENT:
        if (++scan->documents > 1)
            return error_set(err, ENOTSUP, "the file holds more than one YAML document");
        return 0;
    case YAML_ALIAS_EVENT:
        take_alias(scan, (const char *)event->data.alias.anchor);
        return 0;
    case YAML_SCALAR_EVENT:
        return take_scalar(scan, size, event, err);
    case YAML_SEQUENCE_START_EVENT:
        return open_level(scan, false, event->data.sequence_start.anchor, err);
    case YAML_MAPPING_START_EVENT:
        return open_level(scan, true, event->data.mapping_start.anchor, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_level(scan);
        return 0;
    default:
        return 0;
    }
}

static int scan_judge(struct scan *scan, struct error *err) {
    for (char **anchor = scan->anchors; anchor && *anchor; anchor++)
        if (strings_contain(scan->aliases, *anchor))
            scan->refusal = "the service has an anchor that others are made from";
    if (!scan->refusal && scan->inherited)
        scan->refusal = "another service extends this one and takes its image";
    if (!scan->refusal && !scan->found && scan->merged)
        scan->refusal = "services come out of a merge key";
    if (!scan->refusal && scan->found && !scan->has_image && (scan->ours.merge || scan->merged))
        scan->refusal = "it comes out of a merge key";
    if (!scan->refusal && scan->found && !scan->has_image && scan->ours.extends)
        scan->refusal = "it comes from the service that this one extends";
    if (scan->refusal)
        return error_set(err, ENOTSUP, "the image of the service \"%s\" cannot be changed in place: %s",
                         scan->service, scan->refusal);
    if (!scan->found)
        return error_set(err, ENOENT, "there is no service \"%s\"", scan->service);
    if (!scan->has_image)
        return error_set(err, ENOENT, "the service \"%s\" names no image", scan->service);
    return 0;
}

int image_scalar_find(const char *text, size_t size, const char *service, struct image_scalar *ret,
                      struct error *err) {
    if (size > TEXT_LIMIT)
        return error_set(err, EFBIG, "the file is larger than %zu bytes", TEXT_LIMIT);
    struct scan *scan = xcalloc(1, sizeof(*scan));
    scan->text = text;
    scan->service = service;
    yaml_parser_t parser;
    parser_begin(&parser, text, size);
    int r = 0;
    for (bool ended = false; r >= 0 && !ended;) {
        yaml_event_t event;
        r = parser_next(&parser, &event, err);
        if (r < 0)
            break;
        ended = event.type == YAML_STREAM_END_EVENT;
        r = take_event(scan, size, &event, err);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (r >= 0)
        r = scan_judge(scan, err);
    if (r >= 0) {
        *ret = scan->image;
        scan->image.value = NULL;
    }
    scan_done(scan);
    free(scan);
    return r;
}

static bool texts_equal(const unsigned char *a, const unsigned char *b) {
    return string_equal((const char *)a, (const char *)b);
}

static bool events_equal(const yaml_event_t *a, const yaml_event_t *b, bool but_value) {
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case YAML_ALIAS_EVENT:
        return texts_equal(a->data.alias.anchor, b->data.alias.anchor);
    case YAML_SCALAR_EVENT:
        return texts_equal(a->data.scalar.anchor, b->data.scalar.anchor) &&
               texts_equal(a->data.scalar.tag, b->data.scalar.tag) &&
               a->data.scalar.style == b->data.scalar.style &&
               (but_value ||
                (a->data.scalar.length == b->data.scalar.length &&
                 memcmp(a->data.scalar.value, b->data.scalar.value, a->data.scalar.length) == 0));
    case YAML_SEQUENCE_START_EVENT:
        return texts_equal(a->data.sequence_start.anchor, b->data.sequence_start.anchor) &&
               texts_equal(a->data.sequence_start.tag, b->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return texts_equal(a->data.mapping_start.anchor, b->data.mapping_start.anchor) &&
               texts_equal(a->data.mapping_start.tag, b->data.mapping_start.tag);
    default:
        return true;
    }
}

int image_scalar_check(const char *before, size_t before_size, const struct image_scalar *scalar,
                       const char *after, size_t after_size, const char *image, struct error *err) {
    yaml_parser_t old_parser, new_parser;
    parser_begin(&old_parser, before, before_size);
    parser_begin(&new_parser, after, after_size);
    bool same = true, ended = false;
    while (same && !ended) {
        yaml_event_t old_event = { 0 }, new_event = { 0 };
        if (parser_next(&old_parser, &old_event, NULL) < 0 ||
            parser_next(&new_parser, &new_event, NULL) < 0) {
            same = false;
        } else {
            ended = old_event.type == YAML_STREAM_END_EVENT;
            bool ours = old_event.type == YAML_SCALAR_EVENT &&
                        byte_offset(before, before_size, old_event.start_mark.index) == scalar->start &&
                        old_event.end_mark.index > old_event.start_mark.index;
            same = events_equal(&old_event, &new_event, ours) &&
                   (!ours || string_equal((const char *)new_event.data.scalar.value, image));
        }
        yaml_event_delete(&old_event);
        yaml_event_delete(&new_event);
    }
    yaml_parser_delete(&old_parser);
    yaml_parser_delete(&new_parser);
    if (!same)
        return error_set(err, ENOTSUP, "\"%s\" cannot be written in the place of \"%s\"", image,
                         scalar->value);
    return 0;
}
