#pragma once

/*
 * What texts of a configuration may be: each function checks one kind and gives the form that is stored,
 * owned by the caller. They return 0, or -EINVAL; where they know more than "not what was expected" they say
 * it in *err.
 */

#include "watchdog/base/error.h"

int value_text(const char *value, char **ret, struct error *err);      /* anything but empty */
int value_directory(const char *value, char **ret, struct error *err); /* an absolute path without ".." */
int value_path(const char *value, char **ret, struct error *err);    /* absolute or relative, without ".." */
int value_service(const char *value, char **ret, struct error *err); /* a Compose service (compose-spec) */
int value_project(const char *value, char **ret, struct error *err); /* a Compose project (compose-spec) */
int value_url(const char *value, char **ret,
              struct error *err); /* http(s)://HOST[:PORT][/PATH], no final slash */
int value_identifier(const char *value, char **ret, struct error *err);   /* a role: at most 63 bytes */
int value_database(const char *value, char **ret, struct error *err);     /* the same, and no template */
int value_database_url(const char *value, char **ret, struct error *err); /* see database-url.h */
int value_programs(const char *value, char **ret, struct error *err);     /* a directory, or an image */
int value_data(const char *value, char **ret, struct error *err); /* PATH, volume:NAME, SERVICE:/PATH */
int value_off_host(const char *value, char **ret,
                   struct error *err); /* an absolute directory; s3:// is refused */
int value_textfile(const char *value, char **ret,
                   struct error *err); /* an absolute path that ends in .prom */
int value_occasions(const char *value, char **ret, struct error *err); /* words of [Notify] On= */
int value_mail(const char *value, char **ret, struct error *err);      /* an address, or a local user */

/* Whether it may be the name of an application or a probe: letters, digits, "-", "_" and ".", a letter or
 * digit first, at most 64 bytes. */
int value_is_name(const char *value);
