#pragma once

/* What roles.c and roles-restore.c share: how two readings of the roles differ. */

#include <stdbool.h>

#include <jansson.h>

/* The attributes of a role that differ, "login, settings"; "" when none. Owned by the caller. */
char *role_changes(const json_t *before, const json_t *after, bool passwords);
/* Whether both readings have hashes to compare. */
bool roles_have_passwords(const json_t *before, const json_t *after);
/* The name in @roles of the role with the OID of @role; NULL when there is none. Valid as long as @roles. */
const char *role_by_oid(const json_t *roles, const json_t *role);
/* The membership with the same role, member and grantor; borrowed, NULL when there is none. */
const json_t *membership_find(const json_t *members, const json_t *wanted);
/* Adds a sentence. */
void tell(json_t *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
