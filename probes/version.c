/* The identity of what answers. See version.h. */

#include "probes/version.h"

#include <ctype.h>
#include <string.h>

#include "probes/capture.h"
#include "watchdog/base/json.h"

#define VERSION_LONGEST 200

static bool is_of_word(char letter) {
    return isalnum((unsigned char)letter) || letter == '.' || letter == '_';
}

static const char *without_v(const char *label) {
    return (*label == 'v' || *label == 'V') && isdigit((unsigned char)label[1]) ? label + 1 : label;
}

bool version_has(const char *said, const char *label) {
    label = without_v(label);
    size_t size = strlen(label);
    for (const char *at = size ? strstr(said, label) : NULL; at; at = strstr(at + 1, label)) {
        const char *before = at;
        /* the "v" of "v1.3.0", but not of "dev1.3.0" */
        if (before > said && (before[-1] == 'v' || before[-1] == 'V'))
            before--;
        /* "1.3.0." ends a sentence, "1.3.0.1" is another version, "1.3.0-rc1" one before it */
        bool ends = !is_of_word(at[size]) || (at[size] == '.' && !isalnum((unsigned char)at[size + 1]));
        ends = ends && !(at[size] == '-' && isalnum((unsigned char)at[size + 1]));
        if ((before == said || !is_of_word(before[-1])) && ends)
            return true;
    }
    return false;
}

static const struct probe_expected *service_of(const struct probe_view *view, const char *name) {
    for (size_t i = 0; i < view->expected_count; i++)
        if (string_equal(view->expected[i].service, name))
            return &view->expected[i];
    return NULL;
}

static bool has_label(const struct probe_expected *service) {
    return service && service->version && *service->version;
}

/* At the baseline: the services whose label the application tells, {service: label}. New reference. */
static json_t *labels_of(const struct judgement *judgement, const char *said) {
    const struct probe_view *view = judgement->look->view;
    const char *only = judgement->settings->version_of;
    json_t *labels = json_object();
    for (size_t i = 0; i < view->expected_count; i++) {
        const struct probe_expected *service = &view->expected[i];
        if (has_label(service) && !service->is_database && (!only || string_equal(only, service->service)) &&
            version_has(said, service->version))
            json_object_set_new(labels, service->service, json_text_string(service->version));
    }
    return labels;
}

/* Whether one of the images that should run has a label that was told. @ret_wanted: what was expected, owned
 * by the caller; NULL: there is nothing to expect. */
static bool is_expected(const struct judgement *judgement, const json_t *labels, const char *said,
                        char **ret_wanted) {
    struct buffer wanted = { 0 };
    const char *name;
    const json_t *label;
    bool found = false;
    json_object_foreach((json_t *)labels, name, label) {
        const struct probe_expected *service = service_of(judgement->look->view, name);
        if (!has_label(service))
            continue;
        found = found || version_has(said, service->version);
        if (!wanted.text || !strstr(wanted.text, service->version))
            buffer_printf(&wanted, "%s\"%s\"", wanted.size ? " or " : "", service->version);
    }
    *ret_wanted = wanted.text;
    return found;
}

static bool read_version(struct judgement *judgement, char **ret) {
    const char *source = judgement->settings->version;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *values = NULL;
    if (*source == '~') {
        int r = capture_by_pattern(judgement, source + 1, ret, &err);
        if (r < 0)
            return answer_unknown(judgement, "Version=", error_text(&err));
    } else {
        if (!answer_jq(judgement, "Version", source, &values))
            return false;
        *ret = capture_text(json_array_get(values, 0));
    }
    if (*ret && **ret && strlen(*ret) <= VERSION_LONGEST)
        return true;
    return answer_failed(judgement, "%s, but Version=%s gives %s", judgement->said, source,
                         *ret && **ret ? "too long a text" : "nothing");
}

/* What an earlier look at the same release was told. */
static const char *told_before(const struct judgement *judgement) {
    const struct probe_look *look = judgement->look;
    const char *before = json_get_string(look->state, "version", NULL);
    return !before && look->view->is_baseline ? json_get_string(look->baseline, "version", NULL) : before;
}

bool version_judge(struct judgement *judgement) {
    const struct probe_look *look = judgement->look;
    _cleanup_free_ char *said = NULL, *wanted = NULL;
    if (!judgement->settings->version)
        return true;
    if (!read_version(judgement, &said))
        return false;
    if (look->view->baseline && !look->baseline)
        return answer_unknown(judgement, "cannot be compared", "the baseline has no answer of this probe");
    bool compares = look->view->baseline && !look->view->is_baseline;
    json_t *labels =
        compares ? json_incref(json_object_get(look->baseline, "labels")) : labels_of(judgement, said);
    bool expected = compares ? is_expected(judgement, labels, said, &wanted) : true;
    const char *before = told_before(judgement);
    json_object_set_new(judgement->kept, "version", json_text_string(said));
    if (labels)
        json_object_set_new(judgement->kept, "labels", labels);
    if (!judgement->report->state)
        judgement->report->state = json_object();
    json_object_set_new(judgement->report->state, "version", json_text_string(said));
    answer_note(judgement, "Version", judgement->settings->version, json_pack("[o]", json_text_string(said)),
                wanted && !expected            ? "is not what should run"
                : json_object_size(labels) > 0 ? "is that of an image's label"
                                               : "is in no image's label: it must only be there and stay");
    if (wanted && !expected)
        return answer_failed(judgement, "%s, but says that it is version \"%s\", and %s should run",
                             judgement->said, said, wanted);
    if (!wanted && before && !string_equal(before, said))
        return answer_failed(judgement,
                             "%s, but says that it is version \"%s\", and was \"%s\" the time before",
                             judgement->said, said, before);
    return true;
}
