/* JPEG, through libjpeg-turbo. Its errors come as a jump: all that a jump must not lose lives in one struct, made
 * before it. */
#include "formats/image_codec.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it first */
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

enum { QUALITY = 95, APP1 = JPEG_APP0 + 1 };
/* A progressive picture has about ten scans; thousands of them on a large one would keep a processor busy for hours. */
enum { MAX_SCANS = 100 };

typedef struct jpeg_job {
    jmp_buf failed;
    lt_status status;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct reader;
    struct jpeg_compress_struct compressor;
    struct jpeg_destination_mgr destination;
    lt_writer *writer;
    int quality;
    uint8_t *line;          /* reading CMYK: one row */
    uint8_t written[16384]; /* writing: what the file hasn't got yet */
} jpeg_job;

/* ---- What libjpeg calls ---- */

static void on_error(j_common_ptr jpeg) {
    jpeg_job *job = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    const int code = jpeg->err->msg_code;
    if (!job->status && code == JERR_OUT_OF_MEMORY) job->status = lt_fail(LT_ERROR_MEMORY, "out of memory for a JPEG");
    if (!job->status && code == JWRN_JPEG_EOF) job->status = lt_fail(LT_ERROR_FORMAT, "this JPEG ends early");
    if (!job->status) job->status = lt_fail(LT_ERROR_FORMAT, "this JPEG is broken: %s", text);
    longjmp(job->failed, 1);
}

/* libjpeg's warnings (level -1) mostly mean that it makes pixels up. Those that don't: stray bytes before a marker, and
 * versions and codes that it doesn't know but needn't. */
static void on_message(j_common_ptr jpeg, int level) {
    const int code = jpeg->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_JFIF_MAJOR && code != JWRN_ADOBE_XFORM)
        on_error(jpeg);
}

static void on_output(j_common_ptr jpeg) { (void)jpeg; } /* instead of printing */

static void on_progress(j_common_ptr jpeg) {
    jpeg_job *job = jpeg->client_data;
    if (job->reader.input_scan_number <= MAX_SCANS) return;
    job->status = lt_fail(LT_ERROR_FORMAT, "this JPEG has over %d scans", MAX_SCANS);
    on_error(jpeg);
}

static struct jpeg_error_mgr *set_handlers(jpeg_job *job) {
    jpeg_std_error(&job->errors);
    job->errors.error_exit = on_error;
    job->errors.emit_message = on_message;
    job->errors.output_message = on_output;
    return &job->errors;
}

/* ---- Reading ---- */

static bool recognise(lt_bytes file) { return file.size >= 3 && memcmp(file.data, "\xFF\xD8\xFF", 3) == 0; }

/* Walks the segments before the first scan: marker, length (its own two bytes included), content. */
static lt_bytes find_exif(lt_bytes file) {
    size_t at = 2;
    while (at + 4 <= file.size && file.data[at] == 0xFF) {
        const uint8_t marker = file.data[at + 1];
        if (marker == 0xFF) { /* padding */
            at++;
            continue;
        }
        const size_t length = (size_t)file.data[at + 2] << 8 | file.data[at + 3];
        if (marker == 0xDA || length < 2 || length > file.size - at - 2) break;
        const lt_bytes content = {file.data + at + 4, length - 2};
        if (marker == APP1 && content.size >= 6 && memcmp(content.data, "Exif\0", 6) == 0) return content;
        at += 2 + length;
    }
    return (lt_bytes){0};
}

/* Every JPEG of four colours is taken for Adobe's, which stores 255 - ink; so do Pillow and browsers. */
static void cmyk_to_rgb(const uint8_t *cmyk, size_t width, uint8_t *rgb) {
    for (size_t x = 0; x < width; x++) {
        const unsigned black = cmyk[4 * x + 3];
        for (size_t c = 0; c < 3; c++) rgb[3 * x + c] = (uint8_t)((cmyk[4 * x + c] * black + 127) / 255);
    }
}

static lt_status read_rows(jpeg_job *job, bool cmyk, lt_pixels *pixels) {
    struct jpeg_decompress_struct *reader = &job->reader;
    const size_t width = reader->output_width;
    if (cmyk && !(job->line = lt_alloc(4 * width))) return LT_ERROR_MEMORY;
    while (reader->output_scanline < reader->output_height) {
        uint8_t *row = pixels->data + (size_t)reader->output_scanline * width * 3;
        JSAMPROW target = cmyk ? job->line : row;
        jpeg_read_scanlines(reader, &target, 1);
        if (cmyk) cmyk_to_rgb(job->line, width, row);
    }
    return LT_OK;
}

/* Huffman codes spend a bit at least on each 8x8 block, and the strangest sampling leaves 8 blocks to 32x32 pixels, so
 * a short file that promises many pixels lies: that is found before they are allocated. Arithmetic codes can spend next
 * to nothing, and nobody uses them. */
static lt_status check_promise(lt_bytes file, const struct jpeg_decompress_struct *reader) {
    if (reader->arith_code) return lt_fail(LT_ERROR_UNSUPPORTED, "a JPEG with arithmetic coding can't be read");
    const size_t pixels = (size_t)reader->image_width * reader->image_height;
    return pixels / 1024 > file.size ? lt_fail(LT_ERROR_FORMAT, "this JPEG ends early") : LT_OK;
}

static lt_status read_pixels(jpeg_job *job, lt_bytes file, lt_pixels *pixels) {
    struct jpeg_decompress_struct *reader = &job->reader;
    if (setjmp(job->failed)) return job->status;
    reader->err = set_handlers(job);
    reader->client_data = job;
    jpeg_create_decompress(reader);
    job->progress.progress_monitor = on_progress;
    reader->progress = &job->progress;
    jpeg_mem_src(reader, file.data, file.size);
    jpeg_read_header(reader, TRUE);
    LT_TRY(lt_image_check_size(reader->image_width, reader->image_height));
    LT_TRY(check_promise(file, reader));
    const bool cmyk = reader->jpeg_color_space == JCS_CMYK || reader->jpeg_color_space == JCS_YCCK;
    reader->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    LT_TRY(lt_pixels_alloc(reader->image_width, reader->image_height, 3, pixels));
    jpeg_start_decompress(reader);
    LT_TRY(read_rows(job, cmyk, pixels));
    jpeg_finish_decompress(reader);
    return LT_OK;
}

static lt_status decode(lt_bytes file, lt_pixels *pixels) {
    *pixels = (lt_pixels){.most = pixels->most};
    jpeg_job *job = lt_calloc(1, sizeof *job);
    if (!job) return LT_ERROR_MEMORY;
    const lt_status status = read_pixels(job, file, pixels);
    jpeg_destroy_decompress(&job->reader);
    lt_free(job->line);
    lt_free(job);
    if (status) {
        lt_free(pixels->data);
        *pixels = (lt_pixels){0};
    }
    return status;
}

/* ---- Writing ---- */

static void write_out(jpeg_job *job, size_t size) {
    job->status = lt_writer_write(job->writer, job->written, size);
    if (job->status) on_error((j_common_ptr)&job->compressor);
    job->destination.next_output_byte = job->written;
    job->destination.free_in_buffer = sizeof job->written;
}

static void on_start(j_compress_ptr compressor) { write_out(compressor->client_data, 0); }

static boolean on_full(j_compress_ptr compressor) {
    jpeg_job *job = compressor->client_data;
    write_out(job, sizeof job->written);
    return TRUE;
}

static void on_end(j_compress_ptr compressor) {
    jpeg_job *job = compressor->client_data;
    write_out(job, sizeof job->written - job->destination.free_in_buffer);
}

static void set_picture(struct jpeg_compress_struct *compressor, const lt_image *image, int quality) {
    compressor->image_width = (JDIMENSION)image->width;
    compressor->image_height = (JDIMENSION)image->height;
    compressor->input_components = 3;
    compressor->in_color_space = JCS_RGB;
    jpeg_set_defaults(compressor);
    jpeg_set_quality(compressor, quality, TRUE);
    compressor->comp_info[0].h_samp_factor = compressor->comp_info[0].v_samp_factor = 1; /* colours as sharp as light */
}

static lt_status write_pixels(jpeg_job *job, const lt_image *image, const lt_buffer *exif) {
    struct jpeg_compress_struct *compressor = &job->compressor;
    if (setjmp(job->failed)) return job->status;
    compressor->err = set_handlers(job);
    compressor->client_data = job;
    jpeg_create_compress(compressor);
    job->destination = (struct jpeg_destination_mgr){
        .init_destination = on_start, .empty_output_buffer = on_full, .term_destination = on_end};
    compressor->dest = &job->destination;
    set_picture(compressor, image, job->quality);
    jpeg_start_compress(compressor, TRUE);
    if (exif->size) jpeg_write_marker(compressor, APP1, (const JOCTET *)exif->data, (unsigned)exif->size);
    while (compressor->next_scanline < compressor->image_height) {
        JSAMPROW row = image->pixels + (size_t)compressor->next_scanline * 3 * (size_t)image->width;
        jpeg_write_scanlines(compressor, &row, 1);
    }
    jpeg_finish_compress(compressor);
    return LT_OK;
}

/* A JPEG segment holds 65533 bytes of content. */
static lt_status make_exif(const char *parameters, lt_buffer *exif) {
    LT_TRY(lt_buffer_append(exif, "Exif\0", 6));
    LT_TRY(lt_exif_write(parameters, exif));
    if (exif->size > 65533)
        return lt_fail(LT_ERROR_ARGUMENT, "the parameters' text is too long for a JPEG (32,000 characters at most): "
                                          "save a PNG or WebP, or leave it out");
    return LT_OK;
}

static lt_status encode(lt_writer *w, const lt_image *image, int quality, const char *parameters) {
    lt_buffer exif = {0};
    jpeg_job *job = lt_calloc(1, sizeof *job);
    lt_status status = job ? LT_OK : LT_ERROR_MEMORY;
    if (!status && parameters) status = make_exif(parameters, &exif);
    if (!status) {
        job->writer = w;
        job->quality = quality ? quality : QUALITY;
        status = write_pixels(job, image, &exif);
        jpeg_destroy_compress(&job->compressor);
    }
    lt_buffer_free(&exif);
    lt_free(job);
    return status;
}

const lt_image_codec lt_jpeg_codec = {.name = "JPEG",
                                      .endings = {".jpg", ".jpeg"},
                                      .recognise = recognise,
                                      .decode = decode,
                                      .encode = encode,
                                      .exif = find_exif};
