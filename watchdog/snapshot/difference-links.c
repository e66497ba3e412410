/*
 * Hard links of live files against the manifest. See difference-links.h.
 *
 * A file with a name too many is not the same file, whatever it holds: a write through that other name, which
 * may be on its way into quarantine, would change it after the restore.
 */

#include "watchdog/snapshot/difference-links.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/memory.h"

struct name {
    struct difference *difference;
    const struct manifest_entry *first; /* what group it belongs to */
};

static int by_group(const void *a, const void *b) {
    const struct name *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return manifest_path_compare(x->difference->wanted->path, y->difference->wanted->path);
}

static void changed(struct difference *difference, const char *what) {
    difference->kind = TREE_CHANGED;
    replace_string(difference->what, xstrdup(what));
}

static bool stands(const struct name *name) {
    return name->difference->kind != TREE_CHANGED;
}

/* A group has the inode of the first of its names that stands. */
static void one_inode_each(struct name *names, size_t count) {
    qsort(names, count, sizeof(*names), by_group);
    for (size_t i = 0, owner = 0; i < count; i++) {
        if (!stands(&names[owner]) || names[i].first != names[owner].first)
            owner = i;
        else if (names[i].difference->live->inode != names[owner].difference->live->inode)
            changed(names[i].difference, "is no hard link any more");
    }
}

static size_t group_size(const struct manifest *manifest, const struct manifest_entry *first) {
    size_t size = 1;
    /* Later names come after the first in the manifest's order. */
    for (const struct manifest_entry *entry = first + 1; entry < manifest->entries + manifest->entries_count;
         entry++)
        size += entry->link && strcmp(entry->link, first->path) == 0;
    return size;
}

/* Names of the inode beyond those that stand in the tree: as many as there were outside of it then, on the
 * same inode, or none. */
static void no_others(const struct manifest *manifest, struct name *names, size_t count) {
    for (size_t i = 0, end; i < count; i = end) {
        size_t standing = 0;
        for (end = i; end < count && names[end].first == names[i].first; end++)
            standing += stands(&names[end]);
        for (size_t j = i; j < end; j++) {
            const struct manifest_entry *live = names[j].difference->live,
                                        *wanted = names[j].difference->wanted;
            if (!stands(&names[j]) || live->links <= standing)
                continue;
            size_t group =
                live->inode == wanted->inode ? group_size(manifest, names[j].first) : wanted->links;
            if (live->links - standing + group <= wanted->links)
                continue;
            for (size_t k = i; k < end; k++)
                if (stands(&names[k]))
                    changed(names[k].difference, "has a hard link more");
            break;
        }
    }
}

void difference_links(const struct manifest *manifest, struct differences *differences) {
    _cleanup_free_ struct name *names = xcalloc(differences->count, sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; i < differences->count; i++) {
        struct difference *difference = &differences->list[i];
        if (!difference->wanted || !difference->live || S_ISDIR(difference->wanted->mode) ||
            difference->kind == TREE_CHANGED ||
            (difference->live->links < 2 && difference->wanted->links < 2))
            continue;
        names[count++] = (struct name){ difference, difference_first(manifest, difference->wanted) };
    }
    if (count == 0)
        return;
    one_inode_each(names, count);
    no_others(manifest, names, count);
}
