/* The public interface: making pictures. */
#include "pipeline/generate.h"
#include "api/model.h"
#include "base/door.h"
#include "base/fields.h"
#include "pipeline/infotext.h"

lt_guides lt_guides_of(const lt_model *image_encoder, const lt_image_prompt *prompts, size_t count) {
    lt_guides guides = {.image_encoder = lt_parts_of(image_encoder)};
    if (count > LT_MOST_IMAGE_PROMPTS) return guides; /* which is refused later, and none is read */
    for (size_t i = 0; prompts && i < count; i++) guides.adapters[i] = lt_parts_of(prompts[i].adapter);
    return guides;
}

static lt_status check_control(const lt_control *control, size_t i) {
    LT_TRY(lt_fields_check(lt_control_fields(), control));
    if (control->model && control->image) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "controls: number %zu has no %s", i, control->model ? "image" : "model");
}

static lt_status find_controls(const lt_request *r, lt_guides *guides) {
    if (r->control_count > LT_MAX_CONTROLS)
        return lt_fail(LT_ERROR_ARGUMENT, "control_count: %zu; %d are possible", r->control_count, LT_MAX_CONTROLS);
    if (r->control_count && !r->controls)
        return lt_fail(LT_ERROR_ARGUMENT, "controls is NULL: %zu are to be there", r->control_count);
    for (size_t i = 0; i < r->control_count; i++) {
        LT_TRY(check_control(&r->controls[i], i));
        guides->controls[i] = &r->controls[i].model->parts;
    }
    return LT_OK;
}

static lt_status generate(lt_session *session, const lt_request *request, lt_result *result) {
    lt_guides guides = lt_guides_of(request->image_encoder, request->image_prompts, request->image_prompt_count);
    guides.classifier = lt_parts_of(request->classifier);
    guides.clip = lt_parts_of(request->clip);
    guides.refiner = lt_parts_of(request->refiner);
    LT_TRY(find_controls(request, &guides));
    return lt_paint(session, request, &guides, result);
}

lt_status lt_generate(lt_session *session, const lt_request *request, lt_result *result) {
    const lt_argument arguments[] = {
        LT_SESSION_ARGUMENT, {"request", request}, {"result", .out = result, .size = sizeof *result}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_fields_check(lt_request_fields(), request);
    if (!status) status = generate(session, request, result);
    return lt_leave(&door, status);
}

/* ---- Requests ---- */

/* A value that is not possible here, as of a text that somebody has changed, is no reason to draw nothing. What the
 * caller had set before is his own. */
static void mend(const lt_request *before, const lt_session *session, lt_request *request) {
    for (const lt_field *f = lt_request_fields(); f->name; f++) {
        if (lt_field_check(f, before) || !lt_field_check(f, request)) continue;
        if (session)
            lt_notify(&session->listener, "what made the picture can't be followed here: %s", lt_error_message());
        lt_field_mend(f, before, request);
    }
}

static lt_status follow_parameters(const char *parameters, const lt_session *session, lt_request *request,
                                   char **texts) {
    const lt_request before = *request;
    lt_infotext info;
    LT_TRY(lt_infotext_read(parameters, &info));
    lt_infotext_apply(&info, session, request);
    mend(&before, session, request);
    *texts = info.memory;
    return LT_OK;
}

lt_status lt_request_from_parameters(const char *parameters, const lt_session *session, lt_request *request,
                                     char **texts) {
    const lt_argument arguments[] = {
        {"parameters", parameters}, {"request", request}, {"texts", .out = texts, .size = sizeof *texts}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = follow_parameters(parameters, session, request, texts);
    return lt_leave(&door, status);
}

lt_status lt_precision_from_parameters(const char *parameters, lt_precision *precision) {
    const lt_argument arguments[] = {{"parameters", parameters},
                                     {"precision", .out = precision, .size = sizeof *precision}};
    lt_door door;
    lt_infotext info = {0};
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_infotext_read(parameters, &info);
    if (!status) *precision = lt_infotext_precision(&info);
    lt_infotext_free(&info);
    return lt_leave(&door, status);
}

static lt_status read_list(const char *text, lt_parameter_list *list) {
    lt_infotext info;
    LT_TRY(lt_infotext_read(text, &info));
    *list = (lt_parameter_list){info.prompt, info.negative_prompt, info.settings, info.count, info.memory};
    return LT_OK;
}

lt_status lt_parameter_list_read(const char *text, lt_parameter_list *list) {
    const lt_argument arguments[] = {{"text", text}, {"list", .out = list, .size = sizeof *list}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = read_list(text, list);
    return lt_leave(&door, status);
}

void lt_parameter_list_free(lt_parameter_list *list) {
    if (!list) return;
    lt_free(list->owner);
    *list = (lt_parameter_list){0};
}

const char *const *lt_samplers(void) { return lt_sampler_names(); }
const char *const *lt_schedules(void) { return lt_schedule_names(); }
