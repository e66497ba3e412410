/* Data= apart from everything else. See apart.h. */

#include "watchdog/transaction/apart.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/path.h"

struct claims {
    struct claim *list;
    size_t count;
};

static void claims_done(struct claims *claims) {
    for (size_t i = 0; i < claims->count; i++)
        free(claims->list[i].path);
    free(claims->list);
}

static void add_real(struct claims *claims, enum claim_kind kind, const char *path) {
    claims->list = xrealloc(claims->list, claims->count + 1, sizeof(*claims->list));
    claims->list[claims->count++] = (struct claim){ kind, xstrdup(path) };
}

/* Both where it is and, where that is a symbolic link, where the link is: either may be moved. */
static void add(struct claims *claims, enum claim_kind kind, const char *path) {
    _cleanup_free_ char *real = NULL;
    struct stat status;
    if (path_real(path, &real) >= 0)
        add_real(claims, kind, real);
    const char *slash = strrchr(path, '/');
    if (!slash || lstat(path, &status) < 0 || !S_ISLNK(status.st_mode))
        return;
    _cleanup_free_ char *parent = xstrndup(path, (size_t)(slash - path)), *directory = NULL;
    if (path_real(*parent ? parent : "/", &directory) < 0)
        return;
    _cleanup_free_ char *link = xasprintf("%s%s", string_equal(directory, "/") ? "" : directory, slash);
    add_real(claims, kind, link);
}

static bool keeps_files(const char *path) {
    struct stat status;
    return stat(path, &status) < 0 || S_ISDIR(status.st_mode) || S_ISREG(status.st_mode);
}

/* What the database reads only (its configuration, scripts of its first start) is not its own. */
static void add_database(struct claims *claims, const struct context *context,
                         const struct project *project) {
    for (size_t i = 0; i < project->mounts_count; i++) {
        const struct mount *mount = &project->mounts[i];
        if (string_equal(mount->service, context->settings->database.service) && !mount->read_only &&
            *mount->host_path && keeps_files(mount->host_path))
            add(claims, CLAIM_DATABASE, mount->host_path);
    }
}

static struct claims collect(const struct context *context, const struct project *project) {
    struct claims claims = { 0 };
    const struct record *record = context->record;
    add_database(&claims, context, project);
    for (size_t i = 0; i < record->files_count; i++)
        add(&claims, CLAIM_FILE, record->files[i].path);
    if (context->state)
        add(&claims, CLAIM_STATE, context->state->directory);
    if (context->settings->snapshot.off_host)
        add(&claims, CLAIM_OFF_HOST, context->settings->snapshot.off_host);
    return claims;
}

char *apart_problem(const char *data, const char *path, const struct claim *claims, size_t count,
                    const char **ret_cure) {
    static const char *const words[] = {
        [CLAIM_DATABASE] = "the database's own files",
        [CLAIM_FILE] = "a file of the project that is put back by itself",
        [CLAIM_STATE] = "the snapshots of this program",
        [CLAIM_OFF_HOST] = "the copies of OffHost=",
    };
    for (size_t i = 0; i < count; i++) {
        const struct claim *claim = &claims[i];
        bool holds = path_covers(path, claim->path), lies = path_covers(claim->path, path);
        if (!holds && !lies)
            continue;
        *ret_cure = !lies ? "name the directories beside it"
                    : claim->kind == CLAIM_DATABASE
                        ? "leave it out: the database is restored from its clone or dump"
                        : "leave it out";
        return xasprintf("Data=%s %s %s (%s)", data,
                         holds && lies ? "is"
                         : holds       ? "holds"
                                       : "lies in",
                         words[claim->kind], claim->path);
    }
    return NULL;
}

void apart_look(const struct context *context, const struct project *project, struct finding **findings,
                size_t *count) {
    struct claims claims = collect(context, project);
    const struct record *record = context->record;
    bool wrong = false;
    for (size_t i = 0; i < record->trees_count; i++) {
        const struct record_tree *tree = &record->trees[i];
        _cleanup_free_ char *real = NULL, *problem = NULL;
        const char *cure = "";
        int r = path_real(tree->path, &real);
        problem = r < 0 ? xasprintf("Data=%s: \"%s\": %s", tree->name, tree->path, strerror(-r))
                        : apart_problem(tree->name, real, claims.list, claims.count, &cure);
        if (problem)
            findings_add(findings, count, "data", false, false, cure, "%s", problem);
        wrong = wrong || problem;
    }
    if (record->trees_count > 0 && !wrong)
        findings_add(findings, count, "data", true, false, "",
                     "Data= is apart from the database's own files and those of the project");
    claims_done(&claims);
}

int apart_check(const struct context *context, const struct project *project, struct error *err) {
    struct finding *findings = NULL;
    size_t count = 0;
    int r = 0;
    apart_look(context, project, &findings, &count);
    for (size_t i = 0; i < count && r == 0; i++)
        if (!findings[i].ok)
            r = error_set(err, EPERM, "%s%s%s", findings[i].sentence, *findings[i].cure ? ": " : "",
                          findings[i].cure);
    findings_free(findings, count);
    return r;
}
