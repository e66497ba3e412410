#pragma once

/*
 * The images of the old release: on this host, and under names by which Compose finds them.
 *
 * What a reader would get wrong: an image that came back from its archive has neither tag nor digest, and no
 * call of Docker's classic store gives it its digest again. A tag can be given back; in place of name@digest
 * stands a local name of ours (pin_local_name()).
 */

#include "watchdog/transaction/context.h"

/* Loads those of the record's services (but the database's) that are gone from their archives. Repeatable.
 * -ENOENT: there is no archive of one. */
int old_images_load(struct context *context, struct error *err);

/* Tags of services without a pin that stand for no image any more are given back to the image that ran. */
int old_images_name(struct context *context, struct error *err);

/* Where a pin of the record does not lead to the old image, it becomes one to a local name, which is made; a
 * service without a pin whose reference with a digest leads nowhere gets one. The record is written before
 * this returns; the Compose files are not touched. */
int old_images_settle_pins(struct context *context, struct error *err);
