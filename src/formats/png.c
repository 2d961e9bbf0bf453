/* PNG, through libpng. libpng reports errors by a jump: all that a jump must not lose lives in one struct, made before
 * it. */
#include "formats/image_codec.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>
#include <zlib.h>

typedef struct png_job {
    jmp_buf failed;
    lt_status status;
    bool out_of_memory;
    png_structp png;
    png_infop info;
    lt_bytes left; /* reading: what libpng hasn't seen yet */
    lt_writer *writer;
} png_job;

/* ---- What libpng calls ---- */

static void on_error(png_structp png, png_const_charp text) {
    png_job *job = png_get_error_ptr(png);
    if (!job->status && job->out_of_memory) job->status = lt_fail(LT_ERROR_MEMORY, "out of memory for a PNG");
    if (!job->status) job->status = lt_fail(LT_ERROR_FORMAT, "this PNG is broken: %s", text);
    longjmp(job->failed, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text; /* what libpng only warns of changes no pixel */
}

static png_voidp allocate(png_structp png, png_alloc_size_t size) {
    void *p = lt_alloc(size);
    if (!p) ((png_job *)png_get_mem_ptr(png))->out_of_memory = true;
    return p;
}

static void release(png_structp png, png_voidp p) {
    (void)png;
    lt_free(p);
}

static void on_read(png_structp png, png_bytep data, size_t size) {
    png_job *job = png_get_io_ptr(png);
    if (size > job->left.size) {
        job->status = lt_fail(LT_ERROR_FORMAT, "this PNG ends early");
        png_error(png, "");
    }
    memcpy(data, job->left.data, size);
    job->left = (lt_bytes){job->left.data + size, job->left.size - size};
}

static void on_write(png_structp png, png_bytep data, size_t size) {
    png_job *job = png_get_io_ptr(png);
    job->status = lt_writer_write(job->writer, data, size);
    if (job->status) png_error(png, "");
}

static void on_flush(png_structp png) { (void)png; }

/* ---- Reading ---- */

static bool recognise(lt_bytes file) { return file.size >= 8 && memcmp(file.data, "\x89PNG\r\n\x1A\n", 8) == 0; }

/* Tells libpng to make RGB or RGBA of 8 bits of whatever it finds, and to step over all that isn't pixels: text,
 * profiles and the like could unpack to far more than the picture. */
static void set_transformations(const png_job *job) {
    png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(job->png, LT_IMAGE_MAX_SIDE, LT_IMAGE_MAX_SIDE);
    png_set_chunk_malloc_max(job->png, LT_IMAGE_MAX_TEXT);
    png_set_expand(job->png);
    png_set_scale_16(job->png);
    png_set_gray_to_rgb(job->png);
}

/* Deflate can't pack more than 1032 to 1, so a short file that promises many pixels lies: that is found before they are
 * allocated. packed_row: bytes of a row as the file has it. */
static lt_status check_promise(lt_bytes file, size_t packed_row, size_t height) {
    if (packed_row * height / 1032 > file.size) return lt_fail(LT_ERROR_FORMAT, "this PNG ends early");
    return LT_OK;
}

static lt_status read_pixels(png_job *job, lt_bytes file, lt_pixels *pixels) {
    if (setjmp(job->failed)) return job->status;
    job->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, allocate, release);
    if (job->png) job->info = png_create_info_struct(job->png);
    if (!job->info) return lt_fail(LT_ERROR_MEMORY, "out of memory for a PNG");
    png_set_read_fn(job->png, job, on_read);
    set_transformations(job);
    png_read_info(job->png, job->info);
    const size_t width = png_get_image_width(job->png, job->info), height = png_get_image_height(job->png, job->info);
    LT_TRY(check_promise(file, png_get_rowbytes(job->png, job->info), height));
    const int passes = png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    const int channels = png_get_channels(job->png, job->info);
    const size_t row = png_get_rowbytes(job->png, job->info);
    if ((channels != 3 && channels != 4) || row != width * (size_t)channels)
        return lt_fail(LT_ERROR_UNSUPPORTED, "a PNG of %d channels in rows of %zu bytes can't be read", channels, row);
    LT_TRY(lt_pixels_alloc(width, height, channels, pixels));
    for (int pass = 0; pass < passes; pass++) {
        for (size_t y = 0; y < height; y++) png_read_row(job->png, pixels->data + y * row, NULL);
    }
    return LT_OK; /* what follows the pixels, or is missing behind them, changes none */
}

static lt_status decode(lt_bytes file, lt_pixels *pixels) {
    *pixels = (lt_pixels){.most = pixels->most};
    if (file.size < 33) return lt_fail(LT_ERROR_FORMAT, "this PNG ends early");
    /* The header chunk comes first, always: libpng says less clearly what is wrong with a size. */
    LT_TRY(lt_image_check_size(lt_png_read32(file.data + 16), lt_png_read32(file.data + 20)));
    png_job job = {.left = file};
    const lt_status status = read_pixels(&job, file, pixels);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    if (status) {
        lt_free(pixels->data);
        *pixels = (lt_pixels){0};
    }
    return status;
}

/* ---- Writing ---- */

static lt_status write_pixels(png_job *job, const lt_image *image, const char *text_type, const lt_buffer *text) {
    if (setjmp(job->failed)) return job->status;
    job->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, allocate, release);
    if (job->png) job->info = png_create_info_struct(job->png);
    if (!job->info) return lt_fail(LT_ERROR_MEMORY, "out of memory for a PNG");
    png_set_write_fn(job->png, job, on_write, on_flush);
    png_set_IHDR(job->png, job->info, (png_uint_32)image->width, (png_uint_32)image->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    /* What prediction leaves of a photograph or a painting hardly ever repeats, but for runs: looking for nothing else
     * makes files smaller than libpng's defaults do, ten times faster (512x512: 15 ms). */
    png_set_compression_strategy(job->png, Z_RLE);
    png_set_filter(job->png, PNG_FILTER_TYPE_BASE, PNG_ALL_FILTERS);
    png_write_info(job->png, job->info);
    if (text) png_write_chunk(job->png, (png_const_bytep)text_type, (png_const_bytep)text->data, text->size);
    const size_t row = 3 * (size_t)image->width;
    for (size_t y = 0; y < (size_t)image->height; y++) png_write_row(job->png, image->pixels + y * row);
    png_write_end(job->png, NULL);
    return LT_OK;
}

static lt_status encode(lt_writer *w, const lt_image *image, int quality, const char *parameters) {
    (void)quality; /* nothing is lost */
    png_job job = {.writer = w};
    lt_buffer text = {0};
    const char *text_type = NULL;
    lt_status status = parameters ? lt_png_text_write(parameters, &text_type, &text) : LT_OK;
    if (!status) status = write_pixels(&job, image, text_type, parameters ? &text : NULL);
    png_destroy_write_struct(&job.png, &job.info);
    lt_buffer_free(&text);
    return status;
}

const lt_image_codec lt_png_codec = {.name = "PNG",
                                     .endings = {".png"},
                                     .recognise = recognise,
                                     .decode = decode,
                                     .encode = encode,
                                     .exif = lt_png_exif,
                                     .parameters = lt_png_text_read};
