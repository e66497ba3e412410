#pragma once

/*
 * Inside this directory only: a YAML text as the nodes that were written, with their places. Other than
 * libyaml's documents these keep anchors, aliases and styles; nothing is resolved but by the functions below.
 */

#include <stdbool.h>
#include <stddef.h>

#include <yaml.h>

#include "watchdog/base/error.h"

#define NODE_NONE ((size_t)-1)

enum node_kind { NODE_SCALAR, NODE_MAPPING, NODE_SEQUENCE, NODE_ALIAS };

struct node {
    enum node_kind kind;
    char *anchor; /* its own, of an alias the one that it names; NULL: none */
    char *tag;    /* NULL: none */
    char *value;  /* of a scalar, NUL-ended */
    size_t length;
    yaml_scalar_style_t style;
    size_t start, end;  /* of a scalar: in characters, as libyaml counts them */
    size_t parent;      /* NODE_NONE: the root */
    size_t first, next; /* child and sibling; of a mapping keys and values in turn */
    size_t last;
};

struct nodes {
    struct node *list; /* in the order in which they begin; the first is the root */
    size_t count, room;
    size_t steps; /* of look-ups so far: they are bounded */
};

/* The one document of @text. Returns 0, -EBADMSG with line and column when it is not YAML or deeper than 256
 * levels, -ENOTSUP when it is not in UTF-8 or holds several documents. An empty text has no node. */
int nodes_read(const char *text, size_t size, struct nodes *ret, struct error *err);
void nodes_done(struct nodes *nodes);
#define _cleanup_nodes_ __attribute__((cleanup(nodes_done)))

/* What an alias leads to: NODE_NONE where there is no such anchor before it. Others are themselves. */
size_t node_follow(struct nodes *nodes, size_t node);
/* The value of @key in the mapping @node, not followed; NODE_NONE. Merge keys count where @merged: the
 * mapping's own key comes first, then the first of those that are merged in. */
size_t node_get(struct nodes *nodes, size_t node, const char *key, bool merged);
/* How often @key stands in it itself. */
size_t node_times(struct nodes *nodes, size_t node, const char *key);
/* Whether it is a scalar that YAML 1.1 takes for null. */
bool node_is_null(struct nodes *nodes, size_t node);
