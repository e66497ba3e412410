/* Images in the Engine's store: what there is, and their names. See image.h. */

#include "watchdog/docker/image.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/auth.h"
#include "watchdog/docker/reference.h"
#include "watchdog/docker/transport.h"

#define LABEL_VERSION "org.opencontainers.image.version"

void image_done(struct image *image) {
    free(image->id);
    free(image->version);
    free(image->created);
    strings_free(image->repo_tags);
    strings_free(image->repo_digests);
    json_decref(image->inspect);
    *image = (struct image){ 0 };
}

const char *image_digest(const struct image *image, const char *name) {
    _cleanup_reference_ struct reference wanted = { 0 };
    if (reference_parse(name, &wanted, NULL) < 0)
        return "";
    for (size_t i = 0; image->repo_digests && image->repo_digests[i]; i++) {
        _cleanup_reference_ struct reference one = { 0 };
        if (reference_parse(image->repo_digests[i], &one, NULL) == 0 && string_equal(one.host, wanted.host) &&
            string_equal(one.path, wanted.path))
            return strchr(image->repo_digests[i], '@') + 1;
    }
    return "";
}

/* Those with a digest, or those without: containerd's store lists both as tags. */
static char **names_of(const json_t *array, bool with_digest) {
    char **list = NULL;
    size_t i;
    const json_t *value;
    json_array_foreach(array, i, value) {
        const char *name = json_string_value(value);
        if (name && !string_starts_with(name, "<none>") && (strchr(name, '@') != NULL) == with_digest)
            strings_append(&list, name);
    }
    return list;
}

int engine_image(struct engine *engine, const char *reference, usec_t deadline, struct image *ret,
                 struct error *err) {
    _cleanup_free_ char *escaped = url_escape_path(reference);
    _cleanup_free_ char *path = xasprintf("/images/%s/json", escaped);
    _cleanup_json_ json_t *inspect = NULL;
    int r = engine_request(engine, "GET", path, NULL, deadline, &inspect, err);
    if (r < 0)
        return r;
    const char *id = json_get_string(inspect, "Id", "");
    json_int_t size = json_get_integer(inspect, "Size", 0);
    if (!*id)
        return error_set(err, EBADMSG, "Docker's description of the image \"%s\" has no Id", reference);
    *ret = (struct image){
        .id = xstrdup(id),
        .repo_tags = names_of(json_object_get(inspect, "RepoTags"), false),
        .repo_digests = names_of(json_object_get(inspect, "RepoDigests"), true),
        .version = xstrdup(json_get_string(json_path(inspect, "Config.Labels"), LABEL_VERSION, "")),
        .created = xstrdup(json_get_string(inspect, "Created", "")),
        .size = size > 0 ? (uint64_t)size : 0,
        .inspect = take_ptr(inspect),
    };
    return 0;
}

int engine_tag(struct engine *engine, const char *image_id, const char *reference, usec_t deadline,
               struct error *err) {
    _cleanup_reference_ struct reference name = { 0 };
    int r = reference_parse(reference, &name, err);
    if (r < 0)
        return r;
    if (*name.digest)
        return error_set(err, EINVAL, "the image name \"%s\" has a digest, expected NAME:TAG", reference);
    _cleanup_free_ char *image = url_escape_path(image_id), *repository = url_escape(name.written);
    _cleanup_free_ char *path =
        xasprintf("/images/%s/tag?repo=%s&tag=%s", image, repository, reference_tag(&name));
    return engine_request(engine, "POST", path, NULL, deadline, NULL, err);
}

int engine_untag(struct engine *engine, const char *reference, usec_t deadline, struct error *err) {
    _cleanup_reference_ struct reference name = { 0 };
    int r = reference_parse(reference, &name, err); /* never an ID: that would remove the image */
    if (r < 0)
        return r;
    _cleanup_free_ char *escaped = url_escape_path(reference);
    _cleanup_free_ char *path = xasprintf("/images/%s?noprune=1", escaped);
    return engine_request(engine, "DELETE", path, NULL, deadline, NULL, err);
}

int engine_distribution_digest(struct engine *engine, const char *reference, usec_t deadline,
                               char **ret_digest, struct error *err) {
    _cleanup_reference_ struct reference name = { 0 };
    int r = reference_parse(reference, &name, err);
    if (r < 0)
        return r;
    struct curl_slist *headers = NULL;
    r = auth_request_headers(name.host, deadline, &headers, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *escaped = url_escape_path(reference);
    _cleanup_free_ char *path = xasprintf("/distribution/%s/json", escaped);
    struct request request = { .method = "GET", .path = path, .headers = headers, .deadline = deadline };
    _cleanup_buffer_ struct buffer answer = { 0 };
    r = transport_request(engine, &request, &answer, err);
    if (r < 0)
        r = auth_explain(name.host, headers != NULL, err);
    curl_slist_free_all(headers);
    _cleanup_json_ json_t *value = NULL;
    if (r == 0)
        r = json_parse(answer.text ? answer.text : "", answer.size, "Docker's answer to GET /distribution",
                       &value, err);
    if (r < 0) {
        error_prefix(err, "what \"%s\" is in its registry", reference);
        return r;
    }
    const char *digest = json_get_string(json_get_object(value, "Descriptor"), "digest", "");
    if (!reference_digest_valid(digest))
        return error_set(err, EBADMSG, "Docker's answer on \"%s\" in its registry has no digest", reference);
    *ret_digest = xstrdup(digest);
    return 0;
}
