/* What an image that is not pulled yet says of itself. See registry.h. */

#include "watchdog/docker/registry.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "watchdog/base/digest.h"
#include "watchdog/docker/reference.h"
#include "watchdog/docker/registry-client.h"

#define MANIFEST_LIMIT ((size_t)4 * 1024 * 1024)
#define CONFIG_LIMIT ((size_t)8 * 1024 * 1024)

static const char accepted[] = "application/vnd.oci.image.index.v1+json, "
                               "application/vnd.docker.distribution.manifest.list.v2+json, "
                               "application/vnd.oci.image.manifest.v1+json, "
                               "application/vnd.docker.distribution.manifest.v2+json";

const char *registry_architecture(void) {
    static const struct {
        const char *machine, *architecture;
    } table[] = { { "x86_64", "amd64" },        { "aarch64", "arm64" },  { "armv7l", "arm" },
                  { "armv6l", "arm" },          { "i686", "386" },       { "i386", "386" },
                  { "ppc64le", "ppc64le" },     { "s390x", "s390x" },    { "riscv64", "riscv64" },
                  { "loongarch64", "loong64" }, { "mips64", "mips64le" } };
    struct utsname names;
    if (uname(&names) == 0)
        for (size_t i = 0; i < ELEMENTS(table); i++)
            if (string_equal(names.machine, table[i].machine))
                return table[i].architecture;
    return "amd64";
}

int registry_choose_platform(const json_t *index, const char *architecture, const char **ret_digest,
                             struct error *err) {
    size_t i;
    const json_t *entry;
    json_array_foreach(json_get_array(index, "manifests"), i, entry) {
        const json_t *platform = json_get_object(entry, "platform");
        if (!string_equal(json_get_string(platform, "os", ""), "linux") ||
            !string_equal(json_get_string(platform, "architecture", ""), architecture))
            continue;
        const char *digest = json_get_string(entry, "digest", "");
        if (!reference_digest_valid(digest))
            return error_set(err, EBADMSG, "the image index has a manifest for linux/%s without a SHA-256",
                             architecture);
        *ret_digest = digest;
        return 0;
    }
    return error_set(err, ENOENT, "the image index has no manifest for linux/%s", architecture);
}

/* What @what ("manifests", "blobs") has under @digest, if it really has that digest. */
static int fetch(struct registry *registry, const char *what, const char *digest, size_t limit, json_t **ret,
                 struct error *err) {
    _cleanup_free_ char *path = xasprintf("%s/%s", what, digest);
    _cleanup_buffer_ struct buffer body = { 0 };
    int r =
        registry_get(registry, path, string_equal(what, "manifests") ? accepted : NULL, limit, &body, err);
    if (r < 0)
        return r;
    char found[DIGEST_TEXT_SIZE];
    digest_memory(body.text ? body.text : "", body.size, found);
    if (!string_equal(found, digest + strlen("sha256:")))
        return error_set(err, EBADMSG, "the registry %s answered %s of \"%s\" with other contents: sha256:%s",
                         registry->base, path, registry->path, found);
    return json_parse(body.text ? body.text : "", body.size, path, ret, err);
}

static int read_version(struct registry *registry, const char *digest, char **ret, struct error *err) {
    _cleanup_json_ json_t *index = NULL, *manifest = NULL, *config = NULL;
    int r = fetch(registry, "manifests", digest, MANIFEST_LIMIT, &index, err);
    if (r < 0)
        return r;
    if (json_get_array(index, "manifests")) {
        const char *chosen;
        r = registry_choose_platform(index, registry_architecture(), &chosen, err);
        if (r == 0)
            r = fetch(registry, "manifests", chosen, MANIFEST_LIMIT, &manifest, err);
        if (r < 0)
            return r;
    } else {
        manifest = json_incref(index);
    }
    const char *blob = json_get_string(json_get_object(manifest, "config"), "digest", "");
    if (!reference_digest_valid(blob))
        return error_set(err, EBADMSG, "the manifest of \"%s\" names no configuration", registry->path);
    r = fetch(registry, "blobs", blob, CONFIG_LIMIT, &config, err);
    if (r < 0)
        return r;
    *ret =
        xstrdup(json_get_string(json_path(config, "config.Labels"), "org.opencontainers.image.version", ""));
    return 0;
}

int registry_version(struct engine *engine, const char *reference, const char *digest, usec_t deadline,
                     char **ret_version, struct error *err) {
    _cleanup_reference_ struct reference name = { 0 };
    char *version = NULL;
    int r = reference_parse(reference, &name, err);
    if (r == 0 && !reference_digest_valid(digest))
        r = error_set(err, EINVAL, "\"%s\" is no digest, expected sha256:64 hex digits", digest);
    struct registry registry = { 0 };
    bool insecure = false;
    if (r == 0)
        r = engine_insecure_registry(engine, name.host, deadline, &insecure, err);
    if (r == 0)
        r = registry_open(name.host, name.path, insecure, deadline, &registry, err);
    if (r == 0)
        r = read_version(&registry, digest, &version, err);
    registry_done(&registry);
    *ret_version = version ? version : xstrdup("");
    return r;
}
