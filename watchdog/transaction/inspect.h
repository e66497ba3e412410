#pragma once

/* What is there before anything is done: the application as the record keeps it. */

#include "watchdog/docker/project.h"
#include "watchdog/transaction/context.h"

/* Fills the record's services, tags, files, databases and trees from Compose, the Engine and the catalogue,
 * replacing what was there. With context->dry nothing is written anywhere; else the bytes of the Compose
 * files are kept in the transaction's directory. @ret (may be NULL) is the project, owned by the caller. */
int inspect_application(struct context *context, struct project **ret, struct error *err);

/* Would Compose make the container of @service from the image that it runs, where its files stay as they are?
 * @name: its image as Compose names it. 0: yes; 1, with the reason in @err: @name stands for another image
 * (it was pulled or built and not brought up); 2: for none; -errno. */
int inspect_image_name(struct context *context, const struct record_service *service, const char *name,
                       struct error *err);

/* Where the image of a service is written, and what. */
struct image_place {
    char *path;     /* the last Compose file in force that says it */
    char *value;    /* the scalar now */
    char *original; /* what the user wrote: the same, or what a pin of ours replaced */
    char *meaning;  /* of @original: it may hold variables */
    char **sharers; /* services that take their image from the same scalar; NULL: none */
    bool followed;  /* it is a tag, or our pin of one: a digest that the user wrote himself is held */
};
void image_place_done(struct image_place *place);
#define _cleanup_image_place_ __attribute__((cleanup(image_place_done)))

/* Whether the image of @service is written in the file @path: a later file may have the last word. */
bool inspect_is_placed(struct context *context, const char *service, const char *path);

/* -ENOTSUP with the reason where it cannot be edited in place, -ENOENT. */
int inspect_image_place(struct context *context, const char *service, struct image_place *ret,
                        struct error *err);
