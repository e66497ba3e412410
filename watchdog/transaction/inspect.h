#pragma once

/* What is there before anything is done: the application as the record keeps it. */

#include "watchdog/docker/project.h"
#include "watchdog/transaction/context.h"

/* Fills the record's services, tags, files, databases and trees from Compose, the Engine and the catalogue,
 * replacing what was there. With context->dry nothing is written anywhere; else the bytes of the Compose
 * files are kept in the transaction's directory. @ret (may be NULL) is the project, owned by the caller. */
int inspect_application(struct context *context, struct project **ret, struct error *err);

/* The host path of a Data= value. -ENOENT with what was looked for. Owned by the caller. */
int inspect_data_path(struct context *context, const struct project *project, const char *data, char **ret,
                      struct error *err);

/* The Compose file whose scalar says which image a service has: the last one in force that says it. Owned by
 * the caller. -ENOTSUP with the reason where it cannot be edited in place, -ENOENT. */
int inspect_image_file(struct context *context, const char *service, char **ret_path, char **ret_value,
                       struct error *err);
