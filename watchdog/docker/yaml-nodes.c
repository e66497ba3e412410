/* A YAML text as nodes. See yaml-nodes.h. */

#include "watchdog/docker/yaml-nodes.h"

#include <errno.h>
#include <stdlib.h>

#include "watchdog/base/memory.h"

#define DEPTH_LIMIT 256
#define STEPS_LIMIT                                                                                          \
    1000000            /* for all look-ups in a text: merges of merges can be more than there is time for */
#define MERGE_LIMIT 16 /* of merged mappings in merged mappings; anchors can lead in circles */

void nodes_done(struct nodes *nodes) {
    for (size_t i = 0; i < nodes->count; i++) {
        free(nodes->list[i].anchor);
        free(nodes->list[i].tag);
        free(nodes->list[i].value);
    }
    free(nodes->list);
    *nodes = (struct nodes){ 0 };
}

static char *text_of(const yaml_char_t *text) {
    return text ? xstrdup((const char *)text) : NULL;
}

static size_t add(struct nodes *nodes, struct node node, size_t parent) {
    size_t index = nodes->count;
    if (nodes->count == nodes->room) {
        nodes->room = nodes->room ? 2 * nodes->room : 64;
        nodes->list = xrealloc(nodes->list, nodes->room, sizeof(*nodes->list));
    }
    node.parent = parent;
    node.first = node.last = node.next = NODE_NONE;
    nodes->list[nodes->count++] = node;
    if (parent == NODE_NONE)
        return index;
    struct node *above = &nodes->list[parent];
    if (above->last == NODE_NONE)
        above->first = index;
    else
        nodes->list[above->last].next = index;
    above->last = index;
    return index;
}

static struct node scalar_of(const yaml_event_t *event) {
    return (struct node){ .kind = NODE_SCALAR,
                          .anchor = text_of(event->data.scalar.anchor),
                          .tag = text_of(event->data.scalar.tag),
                          .value = text_of(event->data.scalar.value),
                          .length = event->data.scalar.length,
                          .style = event->data.scalar.style,
                          .start = event->start_mark.index,
                          .end = event->end_mark.index };
}

struct reader {
    struct nodes *nodes;
    size_t above; /* the collection that is open */
    unsigned depth, documents;
};

static int open_collection(struct reader *reader, struct node node, struct error *err) {
    if (reader->depth++ == DEPTH_LIMIT) {
        free(node.anchor);
        free(node.tag);
        return error_set(err, EBADMSG, "nested deeper than %d levels", DEPTH_LIMIT);
    }
    reader->above = add(reader->nodes, node, reader->above);
    return 0;
}

static int take(struct reader *reader, const yaml_event_t *event, struct error *err) {
    switch (event->type) {
    case YAML_STREAM_START_EVENT:
        if (event->data.stream_start.encoding != YAML_UTF8_ENCODING)
            return error_set(err, ENOTSUP, "the file is not in UTF-8");
        return 0;
    case YAML_DOCUMENT_START_EVENT:
        if (++reader->documents > 1)
            return error_set(err, ENOTSUP, "the file holds more than one YAML document");
        return 0;
    case YAML_ALIAS_EVENT:
        add(reader->nodes, (struct node){ .kind = NODE_ALIAS, .anchor = text_of(event->data.alias.anchor) },
            reader->above);
        return 0;
    case YAML_SCALAR_EVENT:
        add(reader->nodes, scalar_of(event), reader->above);
        return 0;
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(reader,
                               (struct node){ .kind = NODE_SEQUENCE,
                                              .anchor = text_of(event->data.sequence_start.anchor),
                                              .tag = text_of(event->data.sequence_start.tag) },
                               err);
    case YAML_MAPPING_START_EVENT:
        return open_collection(reader,
                               (struct node){ .kind = NODE_MAPPING,
                                              .anchor = text_of(event->data.mapping_start.anchor),
                                              .tag = text_of(event->data.mapping_start.tag) },
                               err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        reader->depth--;
        reader->above = reader->nodes->list[reader->above].parent;
        return 0;
    default:
        return 0;
    }
}

int nodes_read(const char *text, size_t size, struct nodes *ret, struct error *err) {
    struct reader reader = { .nodes = ret, .above = NODE_NONE };
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        abort();
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    int r = 0;
    for (bool ended = false; r >= 0 && !ended;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            if (parser.error == YAML_MEMORY_ERROR)
                abort();
            r = error_set(err, EBADMSG, "not YAML: line %zu, column %zu: %s", parser.problem_mark.line + 1,
                          parser.problem_mark.column + 1, parser.problem ? parser.problem : "not UTF-8");
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        r = take(&reader, &event, err);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (r < 0)
        nodes_done(ret);
    return r;
}

/* An anchor may be given again: the last one before the alias counts (YAML 1.1, 3.2.2.2). */
size_t node_follow(struct nodes *nodes, size_t node) {
    if (node == NODE_NONE || nodes->list[node].kind != NODE_ALIAS)
        return node;
    for (size_t i = node; i > 0; i--)
        if (nodes->list[i - 1].kind != NODE_ALIAS &&
            string_equal(nodes->list[i - 1].anchor, nodes->list[node].anchor))
            return i - 1;
    return NODE_NONE;
}

static bool is_key(struct nodes *nodes, size_t node, const char *key) {
    size_t at = node_follow(nodes, node);
    return at != NODE_NONE && nodes->list[at].kind == NODE_SCALAR && string_equal(nodes->list[at].value, key);
}

static size_t get_merged(struct nodes *nodes, size_t node, const char *key, unsigned depth);

static size_t get_own(struct nodes *nodes, size_t node, const char *key) {
    if (node == NODE_NONE || nodes->list[node].kind != NODE_MAPPING)
        return NODE_NONE;
    for (size_t at = nodes->list[node].first; at != NODE_NONE;) {
        size_t value = nodes->list[at].next;
        if (value == NODE_NONE)
            break;
        if (is_key(nodes, at, key))
            return value;
        at = nodes->list[value].next;
    }
    return NODE_NONE;
}

/* Of a mapping that is merged in, or of a sequence of them. */
static size_t get_from(struct nodes *nodes, size_t source, const char *key, unsigned depth) {
    source = node_follow(nodes, source);
    if (source == NODE_NONE || depth == MERGE_LIMIT || nodes->steps++ >= STEPS_LIMIT)
        return NODE_NONE;
    if (nodes->list[source].kind == NODE_MAPPING)
        return get_merged(nodes, source, key, depth + 1);
    size_t found = NODE_NONE;
    if (nodes->list[source].kind == NODE_SEQUENCE)
        for (size_t at = nodes->list[source].first; at != NODE_NONE && found == NODE_NONE;
             at = nodes->list[at].next)
            found = get_from(nodes, at, key, depth + 1);
    return found;
}

static size_t get_merged(struct nodes *nodes, size_t node, const char *key, unsigned depth) {
    size_t found = get_own(nodes, node, key);
    return found != NODE_NONE ? found : get_from(nodes, get_own(nodes, node, "<<"), key, depth);
}

size_t node_get(struct nodes *nodes, size_t node, const char *key, bool merged) {
    node = node_follow(nodes, node);
    return merged ? get_merged(nodes, node, key, 0) : get_own(nodes, node, key);
}

size_t node_times(struct nodes *nodes, size_t node, const char *key) {
    size_t times = 0;
    if (node == NODE_NONE || nodes->list[node].kind != NODE_MAPPING)
        return 0;
    for (size_t at = nodes->list[node].first; at != NODE_NONE;) {
        size_t value = nodes->list[at].next;
        times += is_key(nodes, at, key);
        at = value == NODE_NONE ? NODE_NONE : nodes->list[value].next;
    }
    return times;
}

bool node_is_null(struct nodes *nodes, size_t node) {
    static const char *const spelled[] = { "", "~", "null", "Null", "NULL" };
    const struct node *at = &nodes->list[node];
    for (size_t i = 0; i < ELEMENTS(spelled); i++)
        if (at->kind == NODE_SCALAR && at->style == YAML_PLAIN_SCALAR_STYLE && !at->tag &&
            string_equal(at->value, spelled[i]))
            return true;
    return false;
}
