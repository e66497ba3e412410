#pragma once

/*
 * Images in the Engine's store, classic or containerd's: names, pull by digest, archives. An image ID says
 * nothing outside the host that it is on.
 */

#include <stdint.h>

#include "watchdog/docker/engine.h"

struct image {
    char *id;                         /* "sha256:…" */
    char **repo_tags, **repo_digests; /* NULL-ended, may be NULL */
    char *version;                    /* label org.opencontainers.image.version, "" */
    char *created;                    /* RFC 3339, "" */
    uint64_t size;                    /* bytes on disk, as Docker says */
    json_t *inspect;
};
void image_done(struct image *image);
/* The digest among its repo_digests of @name (any form, see reference.h); "" when there is none. */
const char *image_digest(const struct image *image, const char *name);

/* By id, name:tag, name@digest. -ENOENT: not on this host. */
int engine_image(struct engine *engine, const char *reference, usec_t deadline, struct image *ret,
                 struct error *err);
/* Gives @image_id the name @reference ("name:tag"), taking it from what had it. */
int engine_tag(struct engine *engine, const char *image_id, const char *reference, usec_t deadline,
               struct error *err);
/* Takes a name away. The image goes with its last name, unless a container holds it. -ENOENT: no such name.
 */
int engine_untag(struct engine *engine, const char *reference, usec_t deadline, struct error *err);

/* Called at most 4 times a second and once at the end; @total grows while layers become known, 0: not known
 * yet. */
typedef void image_progress(void *userdata, uint64_t bytes, uint64_t total);

/*
 * Pulls "name@sha256:…" (or "name:tag@sha256:…") and looks afterwards that it is there under this digest;
 * moves no tag. Credentials as of auth.h. -EINVAL when @reference has no digest, -EPROTO with the registry's
 * words.
 */
int engine_pull(struct engine *engine, const char *reference, image_progress *progress, void *userdata,
                usec_t deadline, struct error *err);

/* A tar archive of images (`docker save`), in pieces; on_data returns 0 or -errno to give up. @images
 * NULL-ended, ids or names; an id is saved without names. Returns 0 only when the archive is whole. */
int engine_image_save(struct engine *engine, char *const *images,
                      int (*on_data)(void *, const char *, size_t), void *userdata, usec_t deadline,
                      struct error *err);
/* Loads such an archive; on_input fills the buffer and returns its bytes, 0 at the end, or -errno.
 * @ret_loaded (may be NULL) lists what Docker says it loaded (names or ids), owned by the caller. */
int engine_image_load(struct engine *engine, int (*on_input)(void *, char *, size_t), void *userdata,
                      usec_t deadline, char ***ret_loaded, struct error *err);

/*
 * The digest (of index or manifest) that a name stands for in its registry at this moment, asked through the
 * Engine; nothing is pulled. @ret_digest is owned by the caller.
 */
int engine_distribution_digest(struct engine *engine, const char *reference, usec_t deadline,
                               char **ret_digest, struct error *err);

/* Pure: adds up the layers of a pull from its stream of JSON objects. Zero-initialised is the beginning. */
struct pull_layers {
    struct pull_layer {
        char *id;
        uint64_t bytes, total;
    } * layers;
    size_t count;
};
/* Returns 0, or -EPROTO when the object is an error, with its words. */
int pull_layers_add(struct pull_layers *layers, const json_t *value, struct error *err);
void pull_layers_sum(const struct pull_layers *layers, uint64_t *ret_bytes, uint64_t *ret_total);
void pull_layers_done(struct pull_layers *layers);
