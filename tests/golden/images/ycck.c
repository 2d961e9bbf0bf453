/* Writes ycck.jpg, a JPEG of the kind that Adobe's programs make (YCCK, inverted), which Pillow can't write.
 * cc ycck.c -o ycck -ljpeg && ./ycck ycck.jpg */
#include <stdio.h>

#include <jpeglib.h>

int main(int argc, char **argv) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    FILE *file = argc == 2 ? fopen(argv[1], "wb") : NULL;
    if (!file) return 1;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = 19;
    jpeg.image_height = 13;
    jpeg.input_components = 4;
    jpeg.in_color_space = JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_colorspace(&jpeg, JCS_YCCK);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < 13; y++) {
        JSAMPLE row[19 * 4];
        for (int x = 0; x < 19; x++) {
            row[4 * x] = (JSAMPLE)(13 * x);
            row[4 * x + 1] = (JSAMPLE)(19 * y);
            row[4 * x + 2] = (JSAMPLE)(255 - 7 * x);
            row[4 * x + 3] = (JSAMPLE)(255 - 5 * x - 6 * y);
        }
        JSAMPROW line = row;
        jpeg_write_scanlines(&jpeg, &line, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return fclose(file) != 0;
}
