/* Requests and results of the public interface. */
#include "api/model.h"
#include "base/door.h"
#include "pipeline/parameters.h"

lt_open_options lt_open_options_defaults(void) { return (lt_open_options){0}; }
lt_session_options lt_session_options_defaults(void) { return (lt_session_options){.isa = LT_ISA_BEST}; }

lt_request lt_request_defaults(void) {
    return (lt_request){
        .prompt = "",
        .negative_prompt = "",
        .clip_skip = 1,
        .steps = 20,
        .guidance = 7.5f,
        .classifier_scale = 1,
        .clip_guidance = 100,
        .sampler = "dpmpp_2m",
        .random_seed = true,
        .count = 1,
        .strength = 0.75,
    };
}

static lt_status follow_parameters(const char *parameters, const lt_session *session, lt_request *request,
                                   char **texts) {
    lt_infotext info;
    LT_TRY(lt_infotext_read(parameters, &info));
    lt_parameters_apply(&info, session, request);
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

void lt_result_free(lt_result *result) {
    if (!result) return;
    for (int i = 0; i < result->count; i++) {
        if (result->images) lt_image_free(&result->images[i]);
        if (result->parameters) lt_free(result->parameters[i]);
        if (result->latents) lt_free(result->latents[i]);
        if (result->step_latents) lt_free(result->step_latents[i]);
    }
    lt_free(result->images);
    lt_free(result->seeds);
    lt_free(result->parameters);
    lt_free(result->latents);
    lt_free(result->step_latents);
    *result = (lt_result){0};
}

void lt_floats_free(float *floats) { lt_free(floats); }

const char *const *lt_samplers(void) { return lt_sampler_names(); }
const char *const *lt_schedules(void) { return lt_schedule_names(); }
