/*
 * Finding one scalar in a Compose file. See pins-scan.h.
 *
 * Merge keys and `extends` within the file are followed to the scalar that decides; whoever else takes its
 * image from there is told. libyaml's marks count characters, and a byte order mark at the beginning counts
 * as none.
 */

#include "watchdog/docker/pins-scan.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/yaml-nodes.h"

#define TEXT_LIMIT ((size_t)1024 * 1024)
#define EXTENDS_LIMIT 16

void image_scalar_done(struct image_scalar *scalar) {
    replace_string(scalar->value, NULL);
    strings_free(scalar->sharers);
    scalar->sharers = NULL;
}

bool image_is_reference(const char *image) {
    size_t size = strlen(image);
    return size > 0 && size <= 1024 &&
           strspn(image, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@[]") == size;
}

bool image_is_template(const char *image) {
    size_t size = strlen(image);
    return size > 0 && size <= 1024 &&
           strspn(image, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@[]${}?+,=!") ==
               size;
}

static size_t byte_offset(const char *text, size_t size, size_t characters) {
    size_t at = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (; characters > 0 && at < size; characters--)
        do
            at++;
        while (at < size && ((unsigned char)text[at] & 0xC0) == 0x80);
    return at;
}

/* Where a service has its image from. */
enum source {
    SOURCE_SCALAR,
    SOURCE_NO_SERVICE,
    SOURCE_NO_IMAGE,
    SOURCE_OTHER_FILE, /* of the service that it extends */
};

static enum source find_image(struct nodes *nodes, size_t services, const char *service, unsigned depth,
                              size_t *ret) {
    size_t found = node_follow(nodes, node_get(nodes, services, service, true));
    if (found == NODE_NONE || nodes->list[found].kind != NODE_MAPPING)
        return found == NODE_NONE ? SOURCE_NO_SERVICE : SOURCE_NO_IMAGE;
    *ret = node_follow(nodes, node_get(nodes, found, "image", true));
    if (*ret != NODE_NONE)
        return node_is_null(nodes, *ret) ? SOURCE_NO_IMAGE : SOURCE_SCALAR;
    size_t extends = node_follow(nodes, node_get(nodes, found, "extends", true));
    if (extends != NODE_NONE && nodes->list[extends].kind == NODE_MAPPING) {
        if (node_get(nodes, extends, "file", true) != NODE_NONE)
            return SOURCE_OTHER_FILE;
        extends = node_follow(nodes, node_get(nodes, extends, "service", true));
    }
    if (extends == NODE_NONE || nodes->list[extends].kind != NODE_SCALAR || depth == EXTENDS_LIMIT)
        return SOURCE_NO_IMAGE;
    enum source source = find_image(nodes, services, nodes->list[extends].value, depth + 1, ret);
    return source == SOURCE_NO_SERVICE ? SOURCE_NO_IMAGE : source;
}

/* Names that stand in @mapping itself or are merged into it. */
static void add_names(struct nodes *nodes, size_t mapping, unsigned depth, char ***names) {
    mapping = node_follow(nodes, mapping);
    if (mapping == NODE_NONE || depth == EXTENDS_LIMIT)
        return;
    const struct node *node = &nodes->list[mapping];
    if (node->kind == NODE_SEQUENCE)
        for (size_t at = node->first; at != NODE_NONE; at = nodes->list[at].next)
            add_names(nodes, at, depth + 1, names);
    for (size_t at = node->kind == NODE_MAPPING ? node->first : NODE_NONE; at != NODE_NONE;) {
        const struct node *key = &nodes->list[at];
        if (key->next == NODE_NONE)
            break;
        if (key->kind == NODE_SCALAR && string_equal(key->value, "<<"))
            add_names(nodes, key->next, depth + 1, names);
        else if (key->kind == NODE_SCALAR && !strings_contain(*names, key->value))
            strings_append(names, key->value);
        at = nodes->list[key->next].next;
    }
}

static char **sharers_of(struct nodes *nodes, size_t services, const char *service, size_t image) {
    _cleanup_strings_ char **names = NULL;
    char **sharers = NULL;
    add_names(nodes, services, 0, &names);
    for (char **name = names; name && *name; name++) {
        size_t found = NODE_NONE;
        if (!string_equal(*name, service) && find_image(nodes, services, *name, 0, &found) == SOURCE_SCALAR &&
            found == image)
            strings_append(&sharers, *name);
    }
    return sharers;
}

/* Whether something that is no image is made from the scalar too, by its anchor. */
static bool is_used_elsewhere(struct nodes *nodes, size_t scalar) {
    if (!nodes->list[scalar].anchor)
        return false;
    for (size_t i = scalar + 1; i < nodes->count; i++) {
        if (nodes->list[i].kind != NODE_ALIAS || node_follow(nodes, i) != scalar)
            continue;
        size_t key = NODE_NONE;
        const struct node *above =
            nodes->list[i].parent == NODE_NONE ? NULL : &nodes->list[nodes->list[i].parent];
        for (size_t at = above && above->kind == NODE_MAPPING ? above->first : NODE_NONE;
             at != NODE_NONE && at != i; at = nodes->list[at].next)
            key = at;
        if (key == NODE_NONE || nodes->list[key].next != i || !string_equal(nodes->list[key].value, "image"))
            return true;
    }
    /* its own place: an anchor in a list, or on the value of a variable */
    size_t parent = nodes->list[scalar].parent, key = NODE_NONE;
    for (size_t at = nodes->list[parent].first; at != NODE_NONE && at != scalar; at = nodes->list[at].next)
        key = at;
    if (nodes->list[parent].kind == NODE_SEQUENCE)
        return true;
    return key != NODE_NONE && !string_equal(nodes->list[key].value, "image") &&
           nodes->list[parent].parent != 0 && nodes->list[parent].parent != NODE_NONE;
}

/* Why the scalar cannot be changed in place; NULL: it can, and *ret is its place. */
static const char *place_of(const char *text, size_t size, struct nodes *nodes, size_t index,
                            struct image_scalar *ret) {
    const struct node *node = &nodes->list[index];
    bool plain = node->style == YAML_PLAIN_SCALAR_STYLE;
    size_t quoted = node->length + (plain ? 0 : 2), end = byte_offset(text, size, node->end);
    if (node->tag)
        return "it has a tag";
    if (node->style == YAML_LITERAL_SCALAR_STYLE || node->style == YAML_FOLDED_SCALAR_STYLE)
        return "it is a block scalar";
    if (strchr(node->value, '$') ? !image_is_template(node->value) : !image_is_reference(node->value))
        return strchr(node->value, '$')
                   ? "it is made from a variable with other characters than those of an image"
                   : "it is no image reference";
    if (strlen(node->value) != node->length)
        return "it is no image reference";
    /* an anchor may stand before it */
    size_t begin = byte_offset(text, size, node->start);
    if (quoted > end || end - quoted < begin || (!node->anchor && end - quoted != begin) ||
        memcmp(text + end - quoted + (plain ? 0 : 1), node->value, node->length) != 0)
        return "it is spelled with escapes or over several lines";
    if (is_used_elsewhere(nodes, index))
        return "it has an anchor, and other values than images are made from it";
    *ret = (struct image_scalar){
        .value = xstrdup(node->value),
        .style = plain                                            ? IMAGE_PLAIN
                 : node->style == YAML_SINGLE_QUOTED_SCALAR_STYLE ? IMAGE_SINGLE_QUOTED
                                                                  : IMAGE_DOUBLE_QUOTED,
        .start = end - quoted,
        .end = end,
    };
    return NULL;
}

static int refuse_twice(struct nodes *nodes, size_t services, const char *service, struct error *err) {
    if (node_times(nodes, 0, "services") > 1)
        return error_set(err, EBADMSG, "\"services\" stands twice");
    if (node_times(nodes, services, service) > 1)
        return error_set(err, EBADMSG, "the service \"%s\" stands twice", service);
    if (node_times(nodes, node_follow(nodes, node_get(nodes, services, service, true)), "image") > 1)
        return error_set(err, EBADMSG, "\"image\" of the service \"%s\" stands twice", service);
    return 0;
}

static int find(const char *text, size_t size, struct nodes *nodes, const char *service,
                struct image_scalar *ret, struct error *err) {
    if (nodes->count == 0)
        return error_set(err, ENOENT, "there is no service \"%s\"", service);
    size_t image = NODE_NONE, services = node_follow(nodes, node_get(nodes, 0, "services", true));
    int r = refuse_twice(nodes, services, service, err);
    if (r < 0)
        return r;
    const char *why = NULL;
    switch (find_image(nodes, services, service, 0, &image)) {
    case SOURCE_NO_SERVICE:
        return error_set(err, ENOENT, "there is no service \"%s\"", service);
    case SOURCE_NO_IMAGE:
        return error_set(err, ENOENT, "the service \"%s\" names no image", service);
    case SOURCE_OTHER_FILE:
        why = "it comes from the service of another file that this one extends";
        break;
    case SOURCE_SCALAR:
        if (nodes->list[image].kind != NODE_SCALAR)
            return error_set(err, EBADMSG, "\"image\" of the service \"%s\" is no text", service);
        why = place_of(text, size, nodes, image, ret);
        break;
    }
    if (why)
        return error_set(err, ENOTSUP, "the image of the service \"%s\" cannot be changed in place: %s",
                         service, why);
    ret->sharers = sharers_of(nodes, services, service, image);
    return 0;
}

int image_scalar_find(const char *text, size_t size, const char *service, struct image_scalar *ret,
                      struct error *err) {
    _cleanup_nodes_ struct nodes nodes = { 0 };
    if (size > TEXT_LIMIT)
        return error_set(err, EFBIG, "the file is larger than %zu bytes", TEXT_LIMIT);
    int r = nodes_read(text, size, &nodes, err);
    return r < 0 ? r : find(text, size, &nodes, service, ret, err);
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
                        old_event.end_mark.index > old_event.start_mark.index &&
                        byte_offset(before, before_size, old_event.end_mark.index) == scalar->end;
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
