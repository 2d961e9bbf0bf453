/* schedule: the noise levels that a sampler goes through. */
#include "cli.h"

#include <stdio.h>

static struct {
    lt_request request;
    bool json;
} o;

static const lt_option options[] = {
    {"sampler", 0, LT_OPTION_CHOICE, "NAME", "without it, all samplers and schedules are listed", &o.request.sampler,
     .fields = lt_request_fields, .also = LT_ALSO_SAMPLER},
    {"schedule", 0, LT_OPTION_CHOICE, "NAME", "default: the sampler's own", &o.request.schedule,
     .fields = lt_request_fields, .also = LT_ALSO_SCHEDULE, .needs = "sampler"},
    {"steps", 0, LT_OPTION_INT, "N", NULL, &o.request.steps, .fields = lt_request_fields, .also = LT_ALSO_STEPS,
     .needs = "sampler"},
    {"strength", 0, LT_OPTION_NUMBER, "S", "as img2img: the last part of the way only", &o.request.strength,
     .fields = lt_request_fields, .needs = "sampler"},
    {"zero-snr", 0, LT_OPTION_FLAG, NULL, NULL, &o.request.zero_snr, .fields = lt_request_fields, .needs = "sampler"},
    {"json", 0, LT_OPTION_FLAG, NULL, "print timesteps and sigmas as JSON", &o.json, .needs = "sampler"},
    {0},
};

static void begin(void) {
    static const lt_image any = {1, 1, NULL}; /* so that strength counts */
    o.request = lt_request_defaults();
    o.request.strength = 1; /* the whole way */
    o.request.image = &any;
}

static void print_names(const char *title, const char *const *names) {
    printf("%s:", title);
    for (size_t i = 0; names[i]; i++) printf(" %s", names[i]);
    printf("\n");
}

static void print_array(const char *name, const float *values, int count) {
    printf("\"%s\": [", name);
    for (int i = 0; i < count; i++) printf("%s%.9g", i ? ", " : "", (double)values[i]);
    printf("]");
}

static void print_steps(const lt_steps *steps) {
    if (o.json) {
        printf("{");
        print_array("timesteps", steps->timesteps, steps->count);
        printf(", ");
        print_array("sigmas", steps->sigmas, steps->count + 1);
        printf("}\n");
        return;
    }
    printf("%6s %12s %12s\n", "step", "timestep", "sigma");
    for (int i = 0; i < steps->count; i++)
        printf("%6d %12.4f %12.6f\n", i + 1, (double)steps->timesteps[i], (double)steps->sigmas[i]);
    printf("%6s %12s %12.6f\n", "end", "", (double)steps->sigmas[steps->count]);
}

static int run(int count, char **words) {
    if (count) return lt_complain(LT_EXIT_USAGE, "what is \"%s\"? see `latent schedule --help`", words[0]);
    if (!lt_option_given(&o.request.sampler)) {
        print_names("samplers", lt_samplers());
        print_names("schedules", lt_schedules());
        return LT_EXIT_OK;
    }
    lt_steps steps;
    const lt_status status = lt_plan_steps(NULL, &o.request, &steps);
    if (status) return lt_complain_of(status);
    print_steps(&steps);
    lt_steps_free(&steps);
    return LT_EXIT_OK;
}

const lt_command lt_command_schedule = {
    "schedule",
    "show the noise levels that a sampler goes through",
    "[--sampler NAME [--schedule NAME] [--steps N]]",
    "Timesteps count from 0 to 999; sigma is sqrt((1 - alphas_cumprod) / alphas_cumprod), as Stable Diffusion 1.x has "
    "it.",
    "  latent schedule\n"
    "  latent schedule --sampler dpmpp_2m --schedule karras --steps 10\n",
    options,
    run,
    begin,
};
