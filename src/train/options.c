/* Options of a training that make no sense. */
#include "train/task.h"

#include <sys/stat.h>

/* What the program's own options are held to as well; a caller of the library may ask for anything. */
static lt_status check_numbers(const lt_train_options *o) {
    const struct {
        const char *name;
        long value, most;
    } numbers[] = {
        {"steps", o->steps, 1000000000},
        {"batch", o->batch, 65536},
        {"accumulate", o->accumulate, 65536},
        {"size", o->size, 4096},
        {"width", o->width, 4096},
        {"levels", o->levels, LT_TRAIN_MAX_LEVELS},
        {"blocks", o->blocks, 16},
        {"groups", o->groups, 256},
        {"heads", o->heads, 256},
        {"latent channels", o->latent_channels, 256},
        {"text width", o->text_width, 4096},
        {"text layers", o->text_layers, 64},
        {"image width", o->image_width, 4096},
        {"image layers", o->image_layers, 64},
        {"patch", o->patch, 256},
        {"projection", o->projection, 4096},
    };
    for (size_t i = 0; i < LT_COUNT(numbers); i++)
        if (numbers[i].value < 1 || numbers[i].value > numbers[i].most)
            return lt_fail(LT_ERROR_ARGUMENT, "%s: %ld; 1 to %ld is possible", numbers[i].name, numbers[i].value,
                           numbers[i].most);
    for (int i = 0; i < o->levels; i++)
        if (o->mult[i] < 1 || o->mult[i] > 64)
            return lt_fail(LT_ERROR_ARGUMENT, "mult %d of level %d: 1 to 64 is possible", o->mult[i], i);
    return LT_OK;
}

static lt_status check_meaning(const lt_task *task, const lt_train_options *o) {
    if (o->only && task != &lt_task_unet)
        return lt_fail(LT_ERROR_ARGUMENT, "--only %s: only of a U-Net can a part be trained", o->only);
    if (o->only && !o->init)
        return lt_fail(LT_ERROR_ARGUMENT, "--only %s: a part is trained of a model that is there; name it with --init",
                       o->only);
    if (o->validation && (task == &lt_task_vae || task == &lt_task_unet))
        return lt_fail(LT_ERROR_ARGUMENT, "--validation: of %s nothing is measured; `latent eval` does it", task->name);
    if (o->sample_steps && task != &lt_task_unet)
        return lt_fail(LT_ERROR_ARGUMENT, "--sample-steps: only a U-Net can draw while it is trained");
    return LT_OK;
}

/* The model may take the place of an earlier one, and of nothing else that is there. */
static lt_status check_output(const lt_train_options *o) {
    const char *const inputs[] = {o->init, o->vae, o->text};
    struct stat output, input;
    lt_checkpoint file;
    if (stat(o->output, &output)) return LT_OK;
    for (size_t i = 0; i < LT_COUNT(inputs); i++)
        if (inputs[i] && !stat(inputs[i], &input) && input.st_dev == output.st_dev && input.st_ino == output.st_ino)
            return lt_fail(LT_ERROR_ARGUMENT, "-o %s: that is the model to begin with; name another file", o->output);
    lt_status status = lt_checkpoint_open(o->output, &file);
    if (!status) {
        lt_layout layout;
        status = lt_state_recognise(&file) ? LT_ERROR_MODEL : lt_layout_of(file.tensors, file.count, &layout);
        lt_checkpoint_close(&file);
    }
    if (!status || status == LT_ERROR_MEMORY) return status;
    return lt_fail(LT_ERROR_ARGUMENT, "-o %s is there and no model: name another file", o->output);
}

lt_status lt_training_check_options(const lt_task *task, const lt_train_options *o) {
    if (!o->data || !o->output) return lt_fail(LT_ERROR_ARGUMENT, "data and output are needed");
    LT_TRY(check_numbers(o));
    LT_TRY(check_meaning(task, o));
    return check_output(o);
}
